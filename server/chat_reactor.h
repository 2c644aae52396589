// One Chat call: turns a request into a turn of the engine, and the turn's events into messages of the stream.
//
// Two worlds call it, each on threads of its own, and it belongs to both:
//
//   gRPC    OnWriteDone, OnCancel, OnDone
//   engine  OnEvent, ReadyForMore, OnFinish (TurnSink)
//
// The rules that keep them apart:
//   * One write is in flight at most; what comes meanwhile waits in the outbox, merged.
//   * OnCancel only raises the ticket's flag and wakes the engine. The engine then ends the turn and calls OnFinish.
//   * Finish is called once, after the engine's OnFinish (or when no turn was submitted) and after the last write.
//   * Lifetime: the reactor owns itself (self_) from Start until OnDone, which gRPC calls once, last, after Finish and
//     after every other call of its own. Whoever works on a reactor outside such a call holds a reference of its own,
//     so OnDone never frees it under their feet.

#ifndef PERENNIAL_SERVER_CHAT_REACTOR_H_
#define PERENNIAL_SERVER_CHAT_REACTOR_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "perennial/v1/chat_service.pb.h"
#include "server/chat_request.h"
#include "server/engine/turn.h"
#include "server/event_outbox.h"
#include "server/service_parts.h"

namespace perennial {

class ChatReactor final : public grpc::ServerWriteReactor<v1::ChatResponse>, public TurnSink {
 public:
  // Begins the call; the result is for gRPC. A request that cannot be served ends the stream with its status.
  // `parts` outlives the call.
  static grpc::ServerWriteReactor<v1::ChatResponse>* Start(const ServiceParts* parts,
                                                           grpc::CallbackServerContext* context,
                                                           const v1::ChatRequest& request);

  // gRPC
  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone() override;

  // Engine
  void OnEvent(TurnEvent event) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnFinish(TurnResult result) override ABSL_LOCKS_EXCLUDED(mutex_);
  bool ReadyForMore() const override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  ChatReactor(const ServiceParts* parts, grpc::CallbackServerContext* context) : parts_(parts), context_(context) {}

  void RenderAndSubmit(CheckedChat chat) ABSL_LOCKS_EXCLUDED(mutex_);
  // The call has its status; it is sent when all events are.
  void EndWith(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  // Starts what can be started now: the next write, or Finish.
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_);
  void AddTrailers(const TurnResult& result);
  bool HasRoomLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after construction.
  const ServiceParts* const parts_;
  grpc::CallbackServerContext* const context_;  // gRPC's, valid until OnDone

  // Engine thread only, after Submit.
  std::vector<std::string> stop_strings_;
  std::string session_id_;
  int64_t turn_ = 0;

  // gRPC's while a write is in flight, else that of whoever starts the next one.
  v1::ChatResponse response_;

  std::shared_ptr<ChatReactor> self_;  // set in Start, reset in OnDone

  mutable absl::Mutex mutex_;
  EventOutbox outbox_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<TurnTicket> ticket_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  bool write_in_flight_ ABSL_GUARDED_BY(mutex_) = false;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;  // Finish was or is being called
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;  // the client left, or its deadline has passed
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_CHAT_REACTOR_H_
