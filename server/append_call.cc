#include "server/append_call.h"

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "server/call_deadline.h"
#include "server/status_mapping.h"
#include "server/tenant_metadata.h"
#include "server/to_proto.h"

namespace perennial {

grpc::ServerUnaryReactor* AppendCall::Start(const ServiceParts* parts, grpc::CallbackServerContext* context,
                                            const v1::AppendMessagesRequest& request,
                                            v1::AppendMessagesResponse* response) {
  const std::shared_ptr<AppendCall> call(new AppendCall(parts, response));
  call->self_ = call;
  absl::StatusOr<CheckedAppend> append = CheckAppend(request, parts->rules);
  absl::StatusOr<std::string> tenant = TenantOf(context->client_metadata());
  absl::Status status = append.ok() ? tenant.status() : append.status();
  if (status.ok()) {
    append->turn.tenant = *std::move(tenant);
    append->turn.deadline = DeadlineOf(*context);
    const int64_t text_bytes = append->text_bytes;
    const auto shared_append = std::make_shared<CheckedAppend>(*std::move(append));
    status = parts->text_worker->Run(text_bytes,
                                     [call, shared_append] { call->RenderAndSubmit(std::move(*shared_append)); });
  }
  if (!status.ok()) call->Finish(ToGrpcStatus(status));
  return call.get();
}

void AppendCall::RenderAndSubmit(CheckedAppend append) {
  absl::StatusOr<TurnSpec> turn = RenderAppend(*parts_->renderer, parts_->rules, std::move(append));
  if (!turn.ok()) {
    Finish(ToGrpcStatus(turn.status()));
    return;
  }
  // The caller holds a reference: the turn, and with it the call, may be over before Submit returns.
  std::shared_ptr<TurnTicket> ticket = parts_->engine->Submit(*std::move(turn), this);
  bool left = false;
  {
    absl::MutexLock lock(&mutex_);
    ticket_ = ticket;
    left = left_;
  }
  if (left) {
    ticket->Leave();
    parts_->engine->Wake();
  }
}

void AppendCall::OnCancel() {
  std::shared_ptr<TurnTicket> ticket;
  {
    absl::MutexLock lock(&mutex_);
    left_ = true;
    ticket = ticket_;
  }
  // Without a ticket, RenderAndSubmit will see left_.
  if (ticket == nullptr) return;
  ticket->Leave();
  parts_->engine->Wake();
}

void AppendCall::OnEvent(TurnEvent /*event*/) {}

void AppendCall::OnFinish(TurnResult result) {
  // Cancelled, by CancelTurn or a turn that interrupts: it left no trace.
  if (result.status.ok() && result.reason != FinishReason::kEndOfTurn) {
    result.status = absl::CancelledError("the turn was cancelled: the messages were not appended");
  }
  if (!result.status.ok()) {
    Finish(ToGrpcStatus(result.status));
    return;
  }
  response_->set_turn(result.turn);
  *response_->mutable_usage() = ToProto(result.usage);
  // Not before the engine has answered may gRPC end the call, and this object with it.
  parts_->engine->GetSession(result.session_id, [call = self_](absl::StatusOr<SessionSummary> session) {
    // The messages are in the session, even if that was deleted meanwhile.
    if (session.ok()) *call->response_->mutable_session() = ToProto(*session);
    call->Finish(grpc::Status::OK);
  });
}

void AppendCall::OnDone() {
  // Ends this object, unless somebody is still on their way out of it.
  const std::shared_ptr<AppendCall> last = std::move(self_);
}

}  // namespace perennial
