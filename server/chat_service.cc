#include "server/chat_service.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/append_call.h"
#include "server/attach_reactor.h"
#include "server/chat_reactor.h"
#include "server/model_answer.h"
#include "server/request_identity.h"
#include "server/request_rules.h"
#include "server/session_request.h"
#include "server/status_mapping.h"
#include "server/to_proto.h"
#include "server/turn_request.h"

namespace perennial {
namespace {

// Answers a call whose response has one field, `session`, when the engine does.
template <typename Response>
Engine::Done<SessionSummary> AnswerWithSession(grpc::ServerUnaryReactor* reactor, Response* response) {
  return [reactor, response](absl::StatusOr<SessionSummary> session) {
    if (session.ok()) *response->mutable_session() = ToProto(*session);
    reactor->Finish(ToGrpcStatus(session.status()));
  };
}

grpc::ServerUnaryReactor* Refuse(grpc::ServerUnaryReactor* reactor, const absl::Status& status) {
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

// Tokens of messages as a session would see them: an opening, and where the last message is a user's, a turn after it.
absl::StatusOr<int64_t> CountMessages(const PromptRenderer& renderer, std::vector<Message> messages) {
  std::optional<UserTurn> last;
  if (messages.back().role == Role::kUser) {
    absl::StatusOr<UserTurn> turn = renderer.Turn(messages.back().text);
    if (!turn.ok()) return InField("messages", turn.status());
    last = *std::move(turn);
    messages.pop_back();
  }
  absl::StatusOr<SessionOpening> opening = renderer.Opening(messages);
  if (!opening.ok()) return InField("messages", opening.status());
  size_t tokens = opening->tokens.size();
  if (last.has_value()) tokens += FirstTurnTokens(*last, opening->first_turn).size();
  return static_cast<int64_t>(tokens);
}

absl::StatusOr<int64_t> CountText(const PromptRenderer& renderer, const std::string& text) {
  absl::StatusOr<std::vector<TokenId>> tokens = renderer.Text(text);
  if (!tokens.ok()) return InField("text", tokens.status());
  return static_cast<int64_t>(tokens->size());
}

}  // namespace

grpc::ServerUnaryReactor* ChatService::CreateSession(grpc::CallbackServerContext* context,
                                                     const v1::CreateSessionRequest* request,
                                                     v1::CreateSessionResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::StatusOr<CheckedSession> checked = CheckSessionConfig(request->config(), parts_.rules);
  if (!checked.ok()) return Refuse(reactor, checked.status());
  absl::StatusOr<RequestTag> tag = TagOf(request->request_id(), *request);
  if (!tag.ok()) return Refuse(reactor, tag.status());
  checked->spec.request = *std::move(tag);
  const int64_t text_bytes = checked->text_bytes;
  const auto session = std::make_shared<CheckedSession>(*std::move(checked));
  const absl::Status status = parts_.text_worker->Run(text_bytes, [this, reactor, response, session] {
    const absl::Status rendered = RenderOpening(*parts_.renderer, parts_.rules, *session);
    if (!rendered.ok()) {
      reactor->Finish(ToGrpcStatus(rendered));
      return;
    }
    parts_.engine->CreateSession(std::move(session->spec), AnswerWithSession(reactor, response));
  });
  if (!status.ok()) return Refuse(reactor, status);
  return reactor;
}

grpc::ServerUnaryReactor* ChatService::GetSession(grpc::CallbackServerContext* context,
                                                  const v1::GetSessionRequest* request,
                                                  v1::GetSessionResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  parts_.engine->GetSession(request->session_id(), AnswerWithSession(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* ChatService::ListSessions(grpc::CallbackServerContext* context,
                                                    const v1::ListSessionsRequest* request,
                                                    v1::ListSessionsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::StatusOr<ListSpec> spec = CheckList(*request, parts_.rules);
  if (!spec.ok()) return Refuse(reactor, spec.status());
  parts_.engine->ListSessions(*std::move(spec), [reactor, response](absl::StatusOr<SessionPage> page) {
    if (page.ok()) {
      for (const SessionSummary& session : page->sessions) *response->add_sessions() = ToProto(session);
      response->set_next_page_token(page->next_page_token);
    }
    reactor->Finish(ToGrpcStatus(page.status()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ChatService::UpdateSession(grpc::CallbackServerContext* context,
                                                     const v1::UpdateSessionRequest* request,
                                                     v1::UpdateSessionResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::StatusOr<SessionUpdate> update = CheckUpdate(*request, parts_.rules);
  if (!update.ok()) return Refuse(reactor, update.status());
  parts_.engine->UpdateSession(request->session_id(), *std::move(update), AnswerWithSession(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* ChatService::DeleteSession(grpc::CallbackServerContext* context,
                                                     const v1::DeleteSessionRequest* request,
                                                     v1::DeleteSessionResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  parts_.engine->DeleteSession(request->session_id(), AnswerWithSession(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* ChatService::ForkSession(grpc::CallbackServerContext* context,
                                                   const v1::ForkSessionRequest* request,
                                                   v1::ForkSessionResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::StatusOr<ForkSpec> spec = CheckFork(*request, parts_.rules);
  if (!spec.ok()) return Refuse(reactor, spec.status());
  parts_.engine->ForkSession(*std::move(spec), AnswerWithSession(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* ChatService::RewindSession(grpc::CallbackServerContext* context,
                                                     const v1::RewindSessionRequest* request,
                                                     v1::RewindSessionResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::StatusOr<RewindSpec> spec = CheckRewind(*request);
  if (!spec.ok()) return Refuse(reactor, spec.status());
  parts_.engine->RewindSession(*std::move(spec), AnswerWithSession(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* ChatService::GetTranscript(grpc::CallbackServerContext* context,
                                                     const v1::GetTranscriptRequest* request,
                                                     v1::GetTranscriptResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  parts_.engine->GetTranscript(request->session_id(),
                               [reactor, response](absl::StatusOr<std::vector<TranscriptTurn>> turns) {
                                 if (turns.ok()) {
                                   for (const TranscriptTurn& turn : *turns) *response->add_turns() = ToProto(turn);
                                 }
                                 reactor->Finish(ToGrpcStatus(turns.status()));
                               });
  return reactor;
}

grpc::ServerWriteReactor<v1::ChatResponse>* ChatService::Chat(grpc::CallbackServerContext* context,
                                                              const v1::ChatRequest* request) {
  return ChatReactor::Start(&parts_, context, *request);
}

grpc::ServerWriteReactor<v1::AttachResponse>* ChatService::Attach(grpc::CallbackServerContext* context,
                                                                  const v1::AttachRequest* request) {
  return AttachReactor::Start(&parts_, context, *request);
}

grpc::ServerUnaryReactor* ChatService::CancelTurn(grpc::CallbackServerContext* context,
                                                  const v1::CancelTurnRequest* request,
                                                  v1::CancelTurnResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::StatusOr<TurnAddress> turn = CheckCancelTurn(*request);
  if (!turn.ok()) return Refuse(reactor, turn.status());
  parts_.engine->CancelTurn(*std::move(turn), [reactor, response](absl::StatusOr<int32_t> cancelled) {
    if (cancelled.ok()) response->set_cancelled_turns(*cancelled);
    reactor->Finish(ToGrpcStatus(cancelled.status()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ChatService::AppendMessages(grpc::CallbackServerContext* context,
                                                      const v1::AppendMessagesRequest* request,
                                                      v1::AppendMessagesResponse* response) {
  return AppendCall::Start(&parts_, context, *request, response);
}

grpc::ServerUnaryReactor* ChatService::GetModel(grpc::CallbackServerContext* context,
                                                const v1::GetModelRequest* /*request*/,
                                                v1::GetModelResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  *response = MakeModelAnswer(parts_.model, parts_.rules, kApiRevision);
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* ChatService::CountTokens(grpc::CallbackServerContext* context,
                                                   const v1::CountTokensRequest* request,
                                                   v1::CountTokensResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (request->text().empty() == request->messages().empty()) {
    return Refuse(reactor, FieldError("text", "exactly one of text and messages must be given"));
  }
  if (request->text().size() > static_cast<size_t>(parts_.rules.options.max_text_bytes)) {
    return Refuse(reactor, FieldError("text", absl::StrCat(request->text().size(), " bytes are more than ",
                                                           parts_.rules.options.max_text_bytes, " (max_text_bytes)")));
  }
  absl::StatusOr<std::vector<Message>> messages = CheckMessages("messages", request->messages(), parts_.rules);
  if (!messages.ok()) return Refuse(reactor, messages.status());
  const int64_t text_bytes = static_cast<int64_t>(request->text().size()) + TextBytes(*messages);
  const absl::Status status =
      parts_.text_worker->Run(text_bytes, [this, reactor, request, response, messages = *std::move(messages)] {
        absl::StatusOr<int64_t> tokens =
            messages.empty() ? CountText(*parts_.renderer, request->text()) : CountMessages(*parts_.renderer, messages);
        if (tokens.ok()) response->set_tokens(*tokens);
        reactor->Finish(ToGrpcStatus(tokens.status()));
      });
  if (!status.ok()) return Refuse(reactor, status);
  return reactor;
}

grpc::ServerUnaryReactor* ChatService::GetStats(grpc::CallbackServerContext* context,
                                                const v1::GetStatsRequest* /*request*/,
                                                v1::GetStatsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  *response->mutable_stats() = ToProto(parts_.engine->Stats());
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace perennial
