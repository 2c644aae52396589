#include "server/chat_reactor.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/tenant_metadata.h"

namespace perennial {

grpc::ServerWriteReactor<v1::ChatResponse>* ChatReactor::Start(const ServiceParts* parts,
                                                               grpc::CallbackServerContext* context,
                                                               const v1::ChatRequest& request) {
  const std::shared_ptr<ChatReactor> reactor(new ChatReactor(parts, context));
  Own(reactor);
  absl::StatusOr<CheckedChat> chat = CheckChat(request, parts->rules, parts->random_bits());
  if (!chat.ok()) {
    reactor->EndWith(chat.status());
    return reactor.get();
  }
  absl::StatusOr<std::string> tenant = TenantOf(context->client_metadata());
  if (!tenant.ok()) {
    reactor->EndWith(tenant.status());
    return reactor.get();
  }
  chat->turn.tenant = *std::move(tenant);
  chat->turn.deadline = reactor->deadline();
  reactor->set_session_id(chat->turn.session_id);
  const int64_t text_bytes = chat->text_bytes;
  const auto shared_chat = std::make_shared<CheckedChat>(*std::move(chat));
  const absl::Status status = parts->text_worker->Run(
      text_bytes, [reactor, shared_chat] { reactor->RenderAndSubmit(std::move(*shared_chat)); });
  if (!status.ok()) reactor->EndWith(status);
  return reactor.get();
}

void ChatReactor::RenderAndSubmit(CheckedChat chat) {
  if (client_left()) {
    EndWith(absl::CancelledError("the client left before the turn began"));
    return;
  }
  absl::StatusOr<TurnSpec> turn = RenderChat(*parts().renderer, parts().rules, std::move(chat));
  if (!turn.ok()) {
    EndWith(turn.status());
    return;
  }
  Follow([&](TurnSink* sink) { return parts().engine->Submit(*std::move(turn), sink); });
}

}  // namespace perennial
