#include "server/chat_request.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/budget_request.h"
#include "server/engine/error.h"
#include "server/request_identity.h"
#include "server/sampling_request.h"

namespace perennial {
namespace {

absl::StatusOr<int64_t> CheckMaxTokens(const v1::ChatRequest& request, const RequestRules& rules) {
  if (!request.has_max_tokens()) return rules.max_tokens;
  const int64_t tokens = request.max_tokens();
  const int64_t most = rules.options.engine.max_generated_tokens;
  if (tokens == 0 && !request.ignore_end_of_turn()) {
    return FieldError("max_tokens", "0 (until the client leaves) needs ignore_end_of_turn");
  }
  if (tokens < 0 || tokens > most) {
    return FieldError("max_tokens", absl::StrCat(tokens, " is not in 0 … ", most, " (max_generated_tokens)"));
  }
  return tokens;
}

absl::StatusOr<std::vector<std::string>> CheckStop(const v1::ChatRequest& request, const RequestRules& rules) {
  const EngineOptions& limits = rules.options.engine;
  if (request.stop_size() > limits.max_stop_strings) {
    return FieldError("stop", absl::StrCat(request.stop_size(), " stop strings are more than ", limits.max_stop_strings,
                                           " (max_stop_strings)"));
  }
  for (int i = 0; i < request.stop_size(); ++i) {
    const size_t bytes = request.stop(i).size();
    if (bytes == 0 || bytes > static_cast<size_t>(limits.max_stop_string_bytes)) {
      return FieldError(
          absl::StrCat("stop[", i, "]"),
          absl::StrCat(bytes, " bytes are not in 1 … ", limits.max_stop_string_bytes, " (max_stop_string_bytes)"));
    }
  }
  return std::vector<std::string>(request.stop().begin(), request.stop().end());
}

absl::StatusOr<OnDisconnect> CheckOnDisconnect(const v1::ChatRequest& request) {
  switch (request.on_disconnect()) {
    case v1::ON_DISCONNECT_UNSPECIFIED:
    case v1::ON_DISCONNECT_CANCEL:
      return OnDisconnect::kCancel;
    case v1::ON_DISCONNECT_CONTINUE:
      if (request.request_id().empty()) return FieldError("request_id", "is needed by ON_DISCONNECT_CONTINUE");
      return OnDisconnect::kContinue;
    default:
      return FieldError("on_disconnect", absl::StrCat(static_cast<int>(request.on_disconnect()),
                                                      " is not a value that this server knows"));
  }
}

// What Chat and AppendMessages share: how a turn takes its place in its session.
template <typename Request>
absl::Status CheckPlaceInSession(const Request& request, TurnSpec& turn) {
  switch (request.long_message()) {
    case v1::LONG_MESSAGE_UNSPECIFIED:
    case v1::LONG_MESSAGE_ACCEPT:
      break;
    case v1::LONG_MESSAGE_REFUSE:
      turn.refuse_long_message = true;
      break;
    default:
      return FieldError("long_message", absl::StrCat(static_cast<int>(request.long_message()),
                                                     " is not a value that this server knows"));
  }
  switch (request.if_busy()) {
    case v1::IF_BUSY_UNSPECIFIED:
    case v1::IF_BUSY_WAIT:
      break;
    case v1::IF_BUSY_REJECT:
      turn.if_busy = IfBusy::kReject;
      break;
    case v1::IF_BUSY_INTERRUPT:
      turn.if_busy = IfBusy::kInterrupt;
      break;
    default:
      return FieldError("if_busy",
                        absl::StrCat(static_cast<int>(request.if_busy()), " is not a value that this server knows"));
  }
  if (request.has_expected_turn()) {
    if (request.expected_turn() < 0) {
      return FieldError("expected_turn", absl::StrCat(request.expected_turn(), " is negative"));
    }
    turn.expected_turn = request.expected_turn();
  }
  absl::StatusOr<RequestTag> tag = TagOf(request.request_id(), request);
  if (!tag.ok()) return tag.status();
  turn.request = *std::move(tag);
  return absl::OkStatus();
}

// The session decides which variant is fed.
absl::Status CheckPromptTokens(absl::string_view field, const UserTurn& message, const RequestRules& rules) {
  const int32_t most = rules.options.engine.max_prompt_tokens;
  const size_t tokens = std::max({message.tokens.size(), FirstTurnTokens(message, FirstTurn::kOpens).size(),
                                  FirstTurnTokens(message, FirstTurn::kOpensAfterSystem).size()});
  if (tokens <= static_cast<size_t>(most)) return absl::OkStatus();
  return FieldError(field, absl::StrCat(tokens, " tokens are more than ", most, " (max_prompt_tokens)"));
}

}  // namespace

absl::StatusOr<CheckedChat> CheckChat(const v1::ChatRequest& request, const RequestRules& rules, uint64_t seed) {
  CheckedChat chat;
  if (request.message().empty()) return FieldError("message", "is empty");
  chat.text_bytes = static_cast<int64_t>(request.message().size());
  if (chat.text_bytes > rules.options.max_text_bytes) {
    return FieldError("message", absl::StrCat(chat.text_bytes, " bytes are more than ", rules.options.max_text_bytes,
                                              " (max_text_bytes)"));
  }
  chat.message = request.message();

  if (request.session_id().empty()) {
    absl::StatusOr<CheckedSession> session = CheckSessionConfig(request.config(), rules);
    if (!session.ok()) return session.status();
    chat.text_bytes += session->text_bytes;
    if (chat.text_bytes > rules.options.max_text_bytes) {
      return FieldError("message", absl::StrCat("with the history it has ", chat.text_bytes, " bytes, more than ",
                                                rules.options.max_text_bytes, " (max_text_bytes)"));
    }
    chat.session = *std::move(session);
  } else {
    if (request.has_config()) return FieldError("config", "is allowed only without session_id");
    chat.turn.session_id = request.session_id();
  }

  absl::StatusOr<int64_t> max_tokens = CheckMaxTokens(request, rules);
  if (!max_tokens.ok()) return max_tokens.status();
  chat.turn.max_tokens = *max_tokens;
  chat.turn.ignore_end_of_turn = request.ignore_end_of_turn();
  absl::StatusOr<std::vector<std::string>> stop = CheckStop(request, rules);
  if (!stop.ok()) return stop.status();
  chat.turn.stop_strings = *std::move(stop);
  if (absl::Status status = ReadSampling(request.sampling(), rules, seed, chat.turn); !status.ok()) return status;
  chat.json_schema = request.sampling().json_schema();
  if (!chat.json_schema.empty()) {
    // Compiling it is never for a gRPC thread.
    chat.text_bytes = std::max(chat.text_bytes, int64_t{rules.options.inline_text_bytes} + 1);
  }

  absl::StatusOr<OnDisconnect> on_disconnect = CheckOnDisconnect(request);
  if (!on_disconnect.ok()) return on_disconnect.status();
  chat.turn.on_disconnect = *on_disconnect;
  if (absl::Status status = CheckPlaceInSession(request, chat.turn); !status.ok()) return status;
  if (absl::Status status = CheckTurnBudget(request, rules, chat.turn); !status.ok()) return status;
  return chat;
}

absl::StatusOr<TurnSpec> RenderChat(const PromptRenderer& renderer, const RequestRules& rules, CheckedChat chat) {
  absl::StatusOr<UserTurn> user_turn = renderer.Turn(chat.message);
  if (!user_turn.ok()) return InField("message", user_turn.status());
  if (absl::Status status = CheckPromptTokens("message", *user_turn, rules); !status.ok()) return status;
  chat.turn.message = *std::move(user_turn);
  if (!chat.json_schema.empty()) {
    absl::StatusOr<std::unique_ptr<TokenConstraint>> constraint = renderer.Constraint(chat.json_schema);
    if (!constraint.ok()) return InField("sampling.json_schema", constraint.status());
    chat.turn.constraint = *std::move(constraint);
  }
  // Text reaches the engine only where it is asked to keep it.
  if (rules.options.engine.transcript_turns > 0) chat.turn.messages = {{Role::kUser, std::move(chat.message)}};
  if (chat.session.has_value()) {
    if (absl::Status status = RenderOpening(renderer, rules, *chat.session); !status.ok()) return status;
    chat.turn.ephemeral = std::move(chat.session->spec);
  }
  return std::move(chat.turn);
}

absl::StatusOr<CheckedAppend> CheckAppend(const v1::AppendMessagesRequest& request, const RequestRules& rules) {
  CheckedAppend append;
  if (request.session_id().empty()) return FieldError("session_id", "is empty");
  if (request.messages().empty()) return FieldError("messages", "is empty");
  append.turn.session_id = request.session_id();
  append.turn.reply = false;
  absl::StatusOr<std::vector<Message>> messages = CheckMessages("messages", request.messages(), rules);
  if (!messages.ok()) return messages.status();
  append.messages = *std::move(messages);
  append.text_bytes = TextBytes(append.messages);
  if (absl::Status status = CheckPlaceInSession(request, append.turn); !status.ok()) return status;
  // A call that breaks off may come again, and then finds the turn that it began.
  if (!request.request_id().empty()) append.turn.on_disconnect = OnDisconnect::kContinue;
  return append;
}

absl::StatusOr<TurnSpec> RenderAppend(const PromptRenderer& renderer, const RequestRules& rules, CheckedAppend append) {
  absl::StatusOr<UserTurn> message = renderer.Continuation(append.messages);
  if (!message.ok()) return InField("messages", message.status());
  if (absl::Status status = CheckPromptTokens("messages", *message, rules); !status.ok()) return status;
  append.turn.message = *std::move(message);
  if (rules.options.engine.transcript_turns > 0) append.turn.messages = std::move(append.messages);
  return std::move(append.turn);
}

}  // namespace perennial
