// One call that streams a turn: its events become messages, as fast as the client reads them. What Chat and Attach have
// in common.
//
// Two worlds call it, each on threads of its own, and it belongs to both:
//
//   gRPC    OnWriteDone, OnCancel, OnDone
//   engine  OnEvent, ReadyForMore, OnFinish (TurnSink)
//
// The rules that keep them apart:
//   * One write is in flight at most; what comes meanwhile waits in the outbox, merged.
//   * OnCancel (cancel, disconnect or deadline) only raises the ticket's flag and wakes the engine. The engine then
//     lets this reader go, or ends the turn, and calls OnFinish.
//   * Finish is called once, after the engine's OnFinish (or when no turn was followed) and after the last write.
//   * Lifetime: the reactor owns itself (self_) from Own until OnDone, which gRPC calls once, last, after Finish and
//     after every other call of its own. Whoever works on a reactor outside such a call holds a reference of its own,
//     so OnDone never frees it under their feet.

#ifndef PERENNIAL_SERVER_TURN_REACTOR_H_
#define PERENNIAL_SERVER_TURN_REACTOR_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "perennial/v1/chat_service.pb.h"
#include "server/engine/turn.h"
#include "server/event_outbox.h"
#include "server/service_parts.h"

namespace perennial {

// `Response` is a message with one field, `event`: ChatResponse or AttachResponse (both in turn_reactor.cc).
template <typename Response>
class TurnReactor : public grpc::ServerWriteReactor<Response>, public TurnSink {
 public:
  // gRPC
  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone() override;

  // Engine
  void OnEvent(TurnEvent event) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnFinish(TurnResult result) override ABSL_LOCKS_EXCLUDED(mutex_);
  bool ReadyForMore() const override ABSL_LOCKS_EXCLUDED(mutex_);

 protected:
  // `parts` outlives the call.
  TurnReactor(const ServiceParts* parts, grpc::CallbackServerContext* context) : parts_(parts), context_(context) {}

  // From now on the call owns `reactor`, until OnDone.
  static void Own(const std::shared_ptr<TurnReactor>& reactor) { reactor->self_ = reactor; }

  // Gives this sink to the engine by `follow` (Submit or Attach), unless the client has left already. The caller holds
  // a reference: the call may be over before this returns.
  void Follow(const std::function<std::shared_ptr<TurnTicket>(TurnSink*)>& follow) ABSL_LOCKS_EXCLUDED(mutex_);

  // The call has its status; it is sent when all events are. Once, and not after Follow, which does it itself.
  void EndWith(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  // The client left, or the call's deadline has passed.
  bool client_left() const ABSL_LOCKS_EXCLUDED(mutex_);

  // When the client gives up; InfiniteFuture if never.
  absl::Time deadline() const;

  const ServiceParts& parts() const { return *parts_; }

  // Before Follow: the session of events that come before the turn says its own.
  void set_session_id(std::string session_id) { session_id_ = std::move(session_id); }

 private:
  // Starts what can be started now: the next write, or Finish.
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_);
  void AddTrailers(const TurnResult& result);
  bool HasRoomLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after construction.
  const ServiceParts* const parts_;
  grpc::CallbackServerContext* const context_;  // gRPC's, valid until OnDone

  // Engine thread only, after Follow.
  std::string session_id_;
  int64_t turn_ = 0;

  // gRPC's while a write is in flight, else that of whoever starts the next one.
  Response response_;

  std::shared_ptr<TurnReactor> self_;  // set in Own, reset in OnDone

  mutable absl::Mutex mutex_;
  EventOutbox outbox_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<TurnTicket> ticket_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  bool write_in_flight_ ABSL_GUARDED_BY(mutex_) = false;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;  // Finish was or is being called
  bool left_ ABSL_GUARDED_BY(mutex_) = false;       // the client did, or its deadline has passed
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_TURN_REACTOR_H_
