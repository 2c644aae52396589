// ChatService's calls about notes.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/chat_service.h"
#include "server/request_rules.h"
#include "server/status_mapping.h"
#include "server/to_proto.h"

namespace perennial {
namespace {

template <typename Response>
Engine::Done<SessionNotes> AnswerWithNotes(grpc::ServerUnaryReactor* reactor, Response* response) {
  return [reactor, response](absl::StatusOr<SessionNotes> notes) {
    if (notes.ok()) *response->mutable_notes() = ToProto(*notes);
    reactor->Finish(ToGrpcStatus(notes.status()));
  };
}

}  // namespace

grpc::ServerUnaryReactor* ChatService::SetNotes(grpc::CallbackServerContext* context,
                                                const v1::SetNotesRequest* request, v1::SetNotesResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const auto text_bytes = static_cast<int64_t>(request->text().size());
  absl::Status status;
  if (text_bytes > parts_.rules.options.max_text_bytes) {
    status = FieldError("text", absl::StrCat(text_bytes, " bytes are more than ", parts_.rules.options.max_text_bytes,
                                             " (max_text_bytes)"));
  } else {
    status = parts_.text_worker->Run(text_bytes, [this, reactor, request, response] {
      NotesSpec notes;
      notes.text = request->text();
      notes.keep_pinned_turns = request->keep_pinned_turns();
      absl::StatusOr<std::vector<TokenId>> tokens = parts_.renderer->Notes(request->text());
      if (!tokens.ok()) {
        reactor->Finish(ToGrpcStatus(InField("text", tokens.status())));
        return;
      }
      notes.tokens = *std::move(tokens);
      parts_.engine->SetNotes(request->session_id(), std::move(notes), AnswerWithNotes(reactor, response));
    });
  }
  if (!status.ok()) reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

grpc::ServerUnaryReactor* ChatService::PinTurn(grpc::CallbackServerContext* context, const v1::PinTurnRequest* request,
                                               v1::PinTurnResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  parts_.engine->PinTurn(request->session_id(), request->turn(), AnswerWithNotes(reactor, response));
  return reactor;
}

}  // namespace perennial
