// Ends a turn that its caller no longer wants: by CancelTurn, so that the session's reply is closed properly, and by
// cutting the call where that does not help.

#ifndef PERENNIAL_CLIENT_TURN_STOP_H_
#define PERENNIAL_CLIENT_TURN_STOP_H_

#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "perennial/v1/chat_service.grpc.pb.h"

namespace perennial {

// One for each turn; for ResilientTurn. Thread-safe. The destructor waits for a CancelTurn that is on its way, at most
// `timeout`.
class TurnStop {
 public:
  // `target` is the turn to cancel; without request_id the first Stop cuts the call. `service` must outlive this.
  TurnStop(v1::ChatService::Stub& service, std::string route, absl::Duration timeout, v1::CancelTurnRequest target);
  ~TurnStop();
  TurnStop(const TurnStop&) = delete;
  TurnStop& operator=(const TurnStop&) = delete;

  // The caller's wish, for CancelToken: the first sends CancelTurn and leaves the stream open for the turn's regular
  // end, the second cuts the stream. Never waits.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // An event of the turn was read: the server knows it. A CancelTurn that came before the turn is then sent again.
  void OnEvent() ABSL_LOCKS_EXCLUDED(mutex_);

  // The stream that Stop cuts while this object lives; at once if it was to be cut already. One at a time.
  class Stream {
   public:
    explicit Stream(TurnStop& stop);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    grpc::ClientContext context;  // with the route

   private:
    TurnStop& stop_;
  };

 private:
  void AddRoute(grpc::ClientContext& context) const;
  void SendCancelTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnAnswer(const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  void Cut() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after construction.
  v1::ChatService::Stub& service_;
  const std::string route_;
  const absl::Duration timeout_;

  absl::Mutex mutex_;
  v1::CancelTurnRequest target_ ABSL_GUARDED_BY(mutex_);
  bool wanted_ ABSL_GUARDED_BY(mutex_) = false;      // Stop was called
  bool seen_event_ ABSL_GUARDED_BY(mutex_) = false;  // the server knows the turn
  bool missed_ ABSL_GUARDED_BY(mutex_) = false;      // the last CancelTurn found nothing to cancel
  bool cut_ ABSL_GUARDED_BY(mutex_) = false;
  int attempts_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::ClientContext* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;  // not owned; set while a Stream lives

  // The CancelTurn on its way; the answer is gRPC's until OnAnswer.
  std::unique_ptr<grpc::ClientContext> cancel_call_ ABSL_GUARDED_BY(mutex_);
  v1::CancelTurnResponse answer_;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_TURN_STOP_H_
