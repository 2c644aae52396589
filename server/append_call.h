// One AppendMessages call: unary for its client, a turn without a reply for the engine.

#ifndef PERENNIAL_SERVER_APPEND_CALL_H_
#define PERENNIAL_SERVER_APPEND_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "perennial/v1/chat_service.pb.h"
#include "server/chat_request.h"
#include "server/engine/turn.h"
#include "server/service_parts.h"

namespace perennial {

// Called by gRPC (OnCancel, OnDone) and by the engine (OnEvent, OnFinish) on threads of their own. Keeps to the rules
// of TurnReactor: OnCancel only raises the ticket's flag, Finish comes after the engine's OnFinish, and the call owns
// itself until OnDone.
class AppendCall final : public grpc::ServerUnaryReactor, public TurnSink {
 public:
  // Begins the call; the result is for gRPC. `parts` outlives the call; `request` and `response` live until OnDone.
  static grpc::ServerUnaryReactor* Start(const ServiceParts* parts, grpc::CallbackServerContext* context,
                                         const v1::AppendMessagesRequest& request,
                                         v1::AppendMessagesResponse* response);

  // gRPC
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone() override;

  // Engine. Nobody reads the events: they are not kept.
  void OnEvent(TurnEvent event) override;
  void OnFinish(TurnResult result) override;

 private:
  AppendCall(const ServiceParts* parts, v1::AppendMessagesResponse* response) : parts_(parts), response_(response) {}

  void RenderAndSubmit(CheckedAppend append) ABSL_LOCKS_EXCLUDED(mutex_);

  // Constant after construction.
  const ServiceParts* const parts_;
  v1::AppendMessagesResponse* const response_;  // gRPC's; filled in on the engine thread

  std::shared_ptr<AppendCall> self_;  // set in Start, reset in OnDone

  absl::Mutex mutex_;
  std::shared_ptr<TurnTicket> ticket_ ABSL_GUARDED_BY(mutex_);
  bool left_ ABSL_GUARDED_BY(mutex_) = false;  // the client did, or its deadline has passed
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_APPEND_CALL_H_
