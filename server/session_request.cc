#include "server/session_request.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/budget_request.h"
#include "server/request_identity.h"
#include "server/to_proto.h"

namespace perennial {
namespace {

constexpr size_t kMaxRouteBytes = 64;
constexpr int32_t kDefaultPageSize = 100;
// What a template may write around a message: many empty ones are work too.
constexpr int64_t kTemplateBytes = 64;

// As if nothing but sink_tokens were pinned.
absl::StatusOr<CacheShape> CheckShape(const v1::SessionConfig& config, const RequestRules& rules) {
  const int32_t most = rules.runner.max_cache_tokens;
  const int32_t cache_tokens = config.has_cache_tokens() ? config.cache_tokens() : rules.options.cache_tokens;
  if (cache_tokens < 1 || cache_tokens > most) {
    return FieldError("config.cache_tokens",
                      absl::StrCat(cache_tokens, " is not in 1 … ", most, " (max_cache_tokens)"));
  }
  const int32_t note_tokens = config.note_tokens();
  const int32_t most_notes = rules.options.engine.max_note_tokens;
  if (note_tokens < 0 || note_tokens > most_notes) {
    return FieldError("config.note_tokens",
                      absl::StrCat(note_tokens, " is not in 0 … ", most_notes, " (max_note_tokens)"));
  }
  // Notes are worth nothing without a window to talk in; without notes a cache may be as small as one likes.
  const int32_t min_window = note_tokens == 0 ? 1 : rules.options.min_window_tokens;
  const int32_t most_sinks = cache_tokens - note_tokens - min_window;
  if (most_sinks < 0) {
    return FieldError(
        "config.cache_tokens",
        absl::StrCat(cache_tokens, " leave a window of ", std::max(cache_tokens - note_tokens, 0), " beside notes of ",
                     note_tokens, ", less than ", min_window, " (min_window_tokens)"));
  }
  const int32_t sink_tokens = config.has_sink_tokens() ? config.sink_tokens() : std::min(rules.sink_tokens, most_sinks);
  if (sink_tokens < 0 || sink_tokens > most_sinks) {
    return FieldError(
        "config.sink_tokens",
        absl::StrCat(sink_tokens, " is not in 0 … ", most_sinks,
                     note_tokens == 0 ? " (cache_tokens - 1)" : " (cache_tokens - note_tokens - min_window_tokens)"));
  }
  return CacheShape{.sink_tokens = sink_tokens,
                    .note_tokens = note_tokens,
                    .window_tokens = cache_tokens - sink_tokens - note_tokens};
}

absl::StatusOr<PinnedHead> CheckPinnedHead(v1::PinnedHead pinned_head, const RequestRules& rules) {
  switch (pinned_head) {
    case v1::PINNED_HEAD_UNSPECIFIED:
      return rules.pinned_head;
    case v1::PINNED_HEAD_SYSTEM_PROMPT:
      return PinnedHead::kSystemPrompt;
    case v1::PINNED_HEAD_SYSTEM_PROMPT_START:
      return PinnedHead::kSystemPromptStart;
    case v1::PINNED_HEAD_SINKS_ONLY:
      return PinnedHead::kSinksOnly;
    default:
      return FieldError("config.pinned_head",
                        absl::StrCat(static_cast<int>(pinned_head), " is not a value that this server knows"));
  }
}

absl::StatusOr<EvictionPolicy> CheckEviction(v1::EvictionPolicy eviction, const RequestRules& rules) {
  switch (eviction) {
    case v1::EVICTION_POLICY_UNSPECIFIED:
      return rules.eviction;
    case v1::EVICTION_POLICY_TOKEN_WISE:
      return EvictionPolicy::kTokenWise;
    case v1::EVICTION_POLICY_TURN_WISE:
      return EvictionPolicy::kTurnWise;
    default:
      return FieldError("config.eviction",
                        absl::StrCat(static_cast<int>(eviction), " is not a value that this server knows"));
  }
}

// Makes sinks of the head of `head_tokens`, as far as it is to be pinned, at the window's cost.
absl::Status PinHead(int32_t head_tokens, PinnedHead pinned_head, const RequestRules& rules, CacheShape& shape) {
  if (pinned_head == PinnedHead::kSinksOnly) return absl::OkStatus();
  const int32_t most = rules.options.max_pinned_tokens;
  const int32_t min_window = rules.options.min_window_tokens;
  const int32_t capacity = shape.capacity();
  if (pinned_head == PinnedHead::kSystemPromptStart) {
    head_tokens = std::min({head_tokens, most, capacity - shape.note_tokens - min_window});
  }
  if (head_tokens <= shape.sink_tokens) return absl::OkStatus();
  if (head_tokens > most) {
    return FieldError("config.pinned_head",
                      absl::StrCat("the system prompt has ", head_tokens, " tokens, more than ", most,
                                   " (max_pinned_tokens): shorten it, or pin only its start or the sinks"));
  }
  const int32_t window = capacity - shape.note_tokens - head_tokens;
  if (window < min_window) {
    return FieldError("config.cache_tokens",
                      absl::StrCat(capacity, " leave a window of ", std::max(window, 0), " beside a system prompt of ",
                                   head_tokens, " tokens and notes of ", shape.note_tokens, ", less than ", min_window,
                                   " (min_window_tokens): ask for more, or pin only its start or the sinks"));
  }
  shape.sink_tokens = head_tokens;
  shape.window_tokens = window;
  return absl::OkStatus();
}

absl::StatusOr<absl::Duration> CheckIdleTimeout(absl::string_view field, const google::protobuf::Duration& message,
                                                const RequestRules& rules) {
  const absl::Duration timeout = FromProto(message);
  const absl::Duration most = rules.options.engine.max_idle_timeout;
  if (timeout <= absl::ZeroDuration() || timeout > most) {
    return FieldError(field, absl::StrCat(absl::FormatDuration(timeout), " is not in (0, ", absl::FormatDuration(most),
                                          "] (max_idle_timeout)"));
  }
  return timeout;
}

absl::Status CheckRoute(absl::string_view route) {
  if (route.size() > kMaxRouteBytes) {
    return FieldError("config.route", absl::StrCat(route.size(), " characters are more than ", kMaxRouteBytes));
  }
  for (const char c : route) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') {
      return FieldError("config.route", "has a character other than A-Z, a-z, 0-9, _ and -");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Labels> CheckLabels(absl::string_view field,
                                   const google::protobuf::Map<std::string, std::string>& labels,
                                   const RequestRules& rules) {
  const EngineOptions& limits = rules.options.engine;
  if (labels.size() > static_cast<size_t>(limits.max_labels)) {
    return FieldError(field, absl::StrCat(labels.size(), " labels are more than ", limits.max_labels, " (max_labels)"));
  }
  Labels checked;
  for (const auto& [key, value] : labels) {
    const size_t longest = std::max(key.size(), value.size());
    if (key.empty()) return FieldError(field, "a key is empty");
    if (longest > static_cast<size_t>(limits.max_label_bytes)) {
      return FieldError(field, absl::StrCat("a key or value of ", longest, " bytes is longer than ",
                                            limits.max_label_bytes, " (max_label_bytes)"));
    }
    checked[key] = value;
  }
  return checked;
}

}  // namespace

int64_t TextBytes(absl::Span<const Message> messages) {
  int64_t bytes = kTemplateBytes * static_cast<int64_t>(messages.size());
  for (const Message& message : messages) bytes += static_cast<int64_t>(message.text.size());
  return bytes;
}

absl::StatusOr<std::vector<Message>> CheckMessages(absl::string_view field,
                                                   const google::protobuf::RepeatedPtrField<v1::Message>& messages,
                                                   const RequestRules& rules) {
  std::vector<Message> checked;
  int64_t bytes = 0;
  for (int i = 0; i < messages.size(); ++i) {
    Message message;
    switch (messages[i].role()) {
      case v1::ROLE_SYSTEM:
        message.role = Role::kSystem;
        break;
      case v1::ROLE_USER:
        message.role = Role::kUser;
        break;
      case v1::ROLE_ASSISTANT:
        message.role = Role::kAssistant;
        break;
      default:
        return FieldError(absl::StrCat(field, "[", i, "].role"),
                          absl::StrCat(static_cast<int>(messages[i].role()), " is not system, user or assistant"));
    }
    bytes += kTemplateBytes + static_cast<int64_t>(messages[i].text().size());
    if (bytes > rules.options.max_text_bytes) {
      return FieldError(field,
                        absl::StrCat("the texts, with ", kTemplateBytes, " more for each message, have more than ",
                                     rules.options.max_text_bytes, " bytes (max_text_bytes)"));
    }
    message.text = messages[i].text();
    checked.push_back(std::move(message));
  }
  return checked;
}

absl::StatusOr<CheckedSession> CheckSessionConfig(const v1::SessionConfig& config, const RequestRules& rules) {
  CheckedSession session;
  absl::StatusOr<CacheShape> shape = CheckShape(config, rules);
  if (!shape.ok()) return shape.status();
  session.spec.shape = *shape;
  absl::StatusOr<PinnedHead> pinned_head = CheckPinnedHead(config.pinned_head(), rules);
  if (!pinned_head.ok()) return pinned_head.status();
  session.pinned_head = *pinned_head;
  absl::StatusOr<EvictionPolicy> eviction = CheckEviction(config.eviction(), rules);
  if (!eviction.ok()) return eviction.status();
  session.spec.eviction = *eviction;
  absl::StatusOr<std::vector<Message>> history = CheckMessages("config.history", config.history(), rules);
  if (!history.ok()) return history.status();
  session.text_bytes = TextBytes(*history);
  session.history = *std::move(history);
  session.spec.idle_timeout = rules.options.idle_timeout;
  if (config.has_idle_timeout()) {
    absl::StatusOr<absl::Duration> timeout = CheckIdleTimeout("config.idle_timeout", config.idle_timeout(), rules);
    if (!timeout.ok()) return timeout.status();
    session.spec.idle_timeout = *timeout;
  }
  if (absl::Status status = CheckRoute(config.route()); !status.ok()) return status;
  session.spec.route = config.route();
  absl::StatusOr<Labels> labels = CheckLabels("config.labels", config.labels(), rules);
  if (!labels.ok()) return labels.status();
  session.spec.labels = *std::move(labels);
  absl::StatusOr<SessionBudget> budget = CheckSessionBudget("config.budget", config.budget(), rules);
  if (!budget.ok()) return budget.status();
  session.spec.budget = *budget;
  return session;
}

absl::Status RenderOpening(const PromptRenderer& renderer, const RequestRules& rules, CheckedSession& session) {
  absl::StatusOr<SessionOpening> opening = renderer.Opening(session.history);
  if (!opening.ok()) return InField("config.history", opening.status());
  const int32_t most = rules.options.engine.max_opening_tokens;
  if (opening->tokens.size() > static_cast<size_t>(most)) {
    return FieldError("config.history",
                      absl::StrCat(opening->tokens.size(), " tokens are more than ", most, " (max_opening_tokens)"));
  }
  if (absl::Status status = PinHead(opening->head_tokens, session.pinned_head, rules, session.spec.shape);
      !status.ok()) {
    return status;
  }
  session.spec.opening = std::move(opening->tokens);
  session.spec.first_turn = opening->first_turn;
  return absl::OkStatus();
}

absl::StatusOr<SessionUpdate> CheckUpdate(const v1::UpdateSessionRequest& request, const RequestRules& rules) {
  SessionUpdate update;
  if (request.has_idle_timeout()) {
    absl::StatusOr<absl::Duration> timeout = CheckIdleTimeout("idle_timeout", request.idle_timeout(), rules);
    if (!timeout.ok()) return timeout.status();
    update.idle_timeout = *timeout;
  }
  if (request.has_labels()) {
    absl::StatusOr<Labels> labels = CheckLabels("labels", request.labels().labels(), rules);
    if (!labels.ok()) return labels.status();
    update.labels = *std::move(labels);
  }
  return update;
}

absl::StatusOr<ForkSpec> CheckFork(const v1::ForkSessionRequest& request, const RequestRules& rules) {
  ForkSpec spec;
  absl::StatusOr<RequestTag> tag = TagOf(request.request_id(), request);
  if (!tag.ok()) return tag.status();
  spec.request = *std::move(tag);
  spec.session_id = request.session_id();
  if (request.has_labels()) {
    absl::StatusOr<Labels> labels = CheckLabels("labels", request.labels().labels(), rules);
    if (!labels.ok()) return labels.status();
    spec.labels = *std::move(labels);
  }
  return spec;
}

absl::StatusOr<RewindSpec> CheckRewind(const v1::RewindSessionRequest& request) {
  // The session knows its last turn; the engine compares.
  if (request.to_turn() < 0) return FieldError("to_turn", absl::StrCat(request.to_turn(), " must be at least 0"));
  RewindSpec spec;
  absl::StatusOr<RequestTag> tag = TagOf(request.request_id(), request);
  if (!tag.ok()) return tag.status();
  spec.request = *std::move(tag);
  spec.session_id = request.session_id();
  spec.to_turn = request.to_turn();
  if (request.has_expected_turn()) spec.expected_turn = request.expected_turn();
  return spec;
}

absl::StatusOr<ListSpec> CheckList(const v1::ListSessionsRequest& request, const RequestRules& rules) {
  ListSpec spec;
  const int32_t most = rules.options.engine.max_page_size;
  spec.page_size = request.page_size() == 0 ? std::min(kDefaultPageSize, most) : request.page_size();
  if (spec.page_size < 1 || spec.page_size > most) {
    return FieldError("page_size", absl::StrCat(spec.page_size, " is not in 1 … ", most, " (max_page_size)"));
  }
  spec.page_token = request.page_token();
  spec.state = FromProto(request.state());
  if (!spec.state.has_value() && request.state() != v1::SESSION_STATE_UNSPECIFIED) {
    return FieldError("state",
                      absl::StrCat(static_cast<int>(request.state()), " is not a state that this server knows"));
  }
  return spec;
}

}  // namespace perennial
