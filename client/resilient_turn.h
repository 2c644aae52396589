// Reads one turn to its end, over as many streams as it takes. For ChatClient.

#ifndef PERENNIAL_CLIENT_RESILIENT_TURN_H_
#define PERENNIAL_CLIENT_RESILIENT_TURN_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "client/backoff.h"
#include "client/cancel_token.h"
#include "client/connection_observer.h"
#include "client/event_stream.h"
#include "client/turn_progress.h"
#include "client/turn_stop.h"
#include "perennial/v1/chat_service.grpc.pb.h"

namespace perennial {

// What every turn of a client needs. `service` must outlive the turns.
struct TurnOptions {
  v1::ChatService::Stub& service;
  std::string route;
  absl::Duration call_timeout;
  BackoffOptions backoff;
  bool waits_for_server;
};

// Runs once: Chat or Attach, then it is used up. One thread; what it is given must outlive it.
//
// A turn with a request id can be found again. When its stream breaks, the same Chat request is sent again while
// nothing was read of the turn (the request id keeps the server from running it twice), and later Attach asks for the
// events from the first unread one on. A server that is full (QUEUE_FULL) is asked again, too, but for the first
// request of all. Every event is shown once, in order; `state` only from a stream that the caller asked for.
class ResilientTurn {
 public:
  // `cancel` and `observer` may be null.
  ResilientTurn(TurnOptions options, absl::FunctionRef<void(const v1::TurnEvent&)> on_event, CancelToken* cancel,
                ConnectionObserver* observer);

  // Without request_id the first break is the end, and cancelling cuts the call. With one, cancelling sends CancelTurn
  // and waits for the turn's end (finished, FINISH_REASON_CANCELLED); cancelling twice, or while no server can be
  // reached, is CANCELLED.
  absl::StatusOr<v1::Finished> Chat(const v1::ChatRequest& request);

  // Cancelling leaves the turn alone and is CANCELLED.
  absl::StatusOr<v1::Finished> Attach(const v1::AttachRequest& request);

 private:
  struct StreamEnd;

  absl::StatusOr<v1::Finished> Run(TurnStop& stop, const v1::ChatRequest* chat, v1::AttachRequest attach);
  template <typename Response>
  StreamEnd Read(TurnStop& stop, EventStream<Response>& stream, grpc::ClientContext& call);
  bool IsBreak(const StreamEnd& end, bool attached);
  bool cancelled() const { return cancel_ != nullptr && cancel_->cancelled(); }

  // Constant after construction.
  const TurnOptions options_;
  const absl::FunctionRef<void(const v1::TurnEvent&)> on_event_;
  CancelToken* const cancel_;
  ConnectionObserver* const observer_;

  TurnProgress progress_;
  Backoff backoff_;
  bool can_resume_ = false;     // the turn has a request id or a number
  bool lost_ = false;           // the observer was told, and not yet that it was found
  bool show_state_ = false;     // of the next stream
  int streams_ = 0;             // that were asked for
  int unexplained_breaks_ = 0;  // in a row, without an event in between
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_RESILIENT_TURN_H_
