#include "server/engine/spec_checks.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/engine/budgets.h"
#include "server/engine/sampling_checks.h"
#include "server/engine/session_id.h"
#include "server/engine/tenants.h"

namespace perennial {
namespace {

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return MakeError(ErrorReason::kInvalidField, absl::StrCat(parts...));
}

absl::Status CheckTokens(absl::string_view field, absl::Span<const TokenId> tokens, int64_t least, int64_t most,
                         const RunnerLimits& runner) {
  const auto count = static_cast<int64_t>(tokens.size());
  if (count < least || count > most) {
    return Invalid(field, ": has ", count, " tokens, must have ", least, " to ", most);
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= runner.vocab_size) {
      return Invalid(field, "[", i, "]: token ", tokens[i], " is not in [0, ", runner.vocab_size, ")");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckIdleTimeout(absl::Duration timeout, const EngineOptions& options) {
  if (timeout <= absl::ZeroDuration() || timeout > options.max_idle_timeout) {
    return Invalid("idle_timeout: ", absl::FormatDuration(timeout), " must be more than 0 and at most ",
                   absl::FormatDuration(options.max_idle_timeout));
  }
  return absl::OkStatus();
}

absl::Status CheckLabels(const Labels& labels, const EngineOptions& options) {
  if (labels.size() > static_cast<size_t>(options.max_labels)) {
    return Invalid("labels: has ", labels.size(), ", must have at most ", options.max_labels);
  }
  for (const auto& [key, value] : labels) {
    if (key.empty() || key.size() > static_cast<size_t>(options.max_label_bytes)) {
      return Invalid("labels: a key of ", key.size(), " bytes, must have 1 to ", options.max_label_bytes);
    }
    if (value.size() > static_cast<size_t>(options.max_label_bytes)) {
      return Invalid("labels: a value of ", value.size(), " bytes, must have at most ", options.max_label_bytes);
    }
  }
  return absl::OkStatus();
}

// What every kind of session must keep to; an ephemeral one has no idle time.
absl::Status CheckStream(const SessionSpec& spec, const EngineOptions& options, const RunnerLimits& runner) {
  if (absl::Status status = ValidateCacheShape(spec.shape, runner.max_cache_tokens); !status.ok()) {
    return Invalid("shape: ", status.message());
  }
  if (spec.shape.note_tokens > options.max_note_tokens) {
    return Invalid("shape: note_tokens is ", spec.shape.note_tokens, ", must be at most ", options.max_note_tokens);
  }
  if (absl::Status status = CheckBudget(spec.budget, options); !status.ok()) return status;
  return CheckTokens("opening", spec.opening, 0, options.max_opening_tokens, runner);
}

// Any of its variants may be the one that is fed.
absl::Status CheckMessage(const UserTurn& message, const EngineOptions& options, const RunnerLimits& runner) {
  const int64_t most = options.max_prompt_tokens;
  if (absl::Status status = CheckTokens("tokens", message.tokens, 1, most, runner); !status.ok()) return status;
  if (message.tokens_if_first.has_value()) {
    absl::Status status = CheckTokens("tokens_if_first", *message.tokens_if_first, 1, most, runner);
    if (!status.ok()) return status;
  }
  if (message.tokens_if_first_after_system.has_value()) {
    absl::Status status =
        CheckTokens("tokens_if_first_after_system", *message.tokens_if_first_after_system, 1, most, runner);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSessionSpec(const SessionSpec& spec, const EngineOptions& options, const RunnerLimits& runner) {
  if (absl::Status status = CheckStream(spec, options, runner); !status.ok()) return status;
  if (absl::Status status = CheckIdleTimeout(spec.idle_timeout, options); !status.ok()) return status;
  return CheckLabels(spec.labels, options);
}

absl::Status CheckSessionUpdate(const SessionUpdate& update, const EngineOptions& options) {
  if (update.idle_timeout.has_value()) {
    if (absl::Status status = CheckIdleTimeout(*update.idle_timeout, options); !status.ok()) return status;
  }
  return update.labels.has_value() ? CheckLabels(*update.labels, options) : absl::OkStatus();
}

absl::Status CheckNotesSpec(const NotesSpec& notes, const EngineOptions& options, const RunnerLimits& runner) {
  return CheckTokens("text", notes.tokens, 0, options.max_note_tokens, runner);
}

absl::Status CheckListSpec(const ListSpec& spec, const EngineOptions& options) {
  if (spec.page_size < 1 || spec.page_size > options.max_page_size) {
    return Invalid("page_size: ", spec.page_size, " is not in [1, ", options.max_page_size, "]");
  }
  if (!spec.page_token.empty() && !IsSessionId(spec.page_token)) {
    return Invalid("page_token: not one that this server gave out; start again without it");
  }
  return absl::OkStatus();
}

absl::Status CheckForkSpec(const ForkSpec& spec, const EngineOptions& options) {
  return spec.labels.has_value() ? CheckLabels(*spec.labels, options) : absl::OkStatus();
}

absl::Status CheckRewindSpec(const RewindSpec& spec) {
  if (spec.to_turn < 0) return Invalid("to_turn: ", spec.to_turn, " must be at least 0");
  return absl::OkStatus();
}

absl::Status CheckTurnSpec(const TurnSpec& spec, const EngineOptions& options, const RunnerLimits& runner) {
  if (spec.session_id.empty() != spec.ephemeral.has_value()) {
    return Invalid("session_id: exactly one of an existing session and a session for this turn must be given");
  }
  if (spec.ephemeral.has_value()) {
    if (absl::Status status = CheckStream(*spec.ephemeral, options, runner); !status.ok()) return status;
    if (absl::Status status = CheckLabels(spec.ephemeral->labels, options); !status.ok()) return status;
  }
  if (absl::Status status = CheckMessage(spec.message, options, runner); !status.ok()) return status;
  if (!spec.reply) return absl::OkStatus();
  if (spec.max_tokens < 0 || spec.max_tokens > options.max_generated_tokens) {
    return Invalid("max_tokens: ", spec.max_tokens, " is not in [0, ", options.max_generated_tokens, "]");
  }
  if (spec.max_tokens == 0 && !spec.ignore_end_of_turn) {
    return Invalid("max_tokens: 0 (until the client leaves) needs ignore_end_of_turn");
  }
  if (spec.stop_strings.size() > static_cast<size_t>(options.max_stop_strings)) {
    return Invalid("stop_strings: has ", spec.stop_strings.size(), ", must have at most ", options.max_stop_strings);
  }
  for (size_t i = 0; i < spec.stop_strings.size(); ++i) {
    const size_t bytes = spec.stop_strings[i].size();
    if (bytes == 0 || bytes > static_cast<size_t>(options.max_stop_string_bytes)) {
      return Invalid("stop_strings[", i, "]: has ", bytes, " bytes, must have 1 to ", options.max_stop_string_bytes);
    }
  }
  if (absl::Status status = CheckSampling(spec, options, runner); !status.ok()) return status;
  if (absl::Status status = CheckMaxTime(spec.max_time, options); !status.ok()) return status;
  if (!IsTenantName(spec.tenant)) {
    return Invalid("tenant: has ", spec.tenant.size(), " characters, must have at most ", kMaxTenantBytes,
                   " of A-Z, a-z, 0-9, _, . and -");
  }
  if (spec.on_disconnect == OnDisconnect::kContinue && spec.request.empty()) {
    return Invalid("request_id: is needed by a turn that goes on without its client (on_disconnect)");
  }
  return absl::OkStatus();
}

absl::Status CheckAttachSpec(const AttachSpec& spec) {
  if (absl::Status status = CheckTurnAddress(spec.turn); !status.ok()) return status;
  if (spec.turn.turn == 0 && spec.turn.request_id.empty()) {
    return Invalid("turn: exactly one of turn and request_id must be given");
  }
  if (spec.from_sequence < 1) return Invalid("from_sequence: ", spec.from_sequence, " is less than 1");
  return absl::OkStatus();
}

absl::Status CheckTurnAddress(const TurnAddress& turn) {
  if (turn.turn < 0) return Invalid("turn: ", turn.turn, " is negative");
  if (turn.turn != 0 && !turn.request_id.empty()) return Invalid("turn: only one of turn and request_id may be given");
  if (turn.session_id.empty() && turn.request_id.empty()) {
    return Invalid("session_id: is empty, which only a request_id allows");
  }
  return absl::OkStatus();
}

absl::Status CheckMessageFits(const TurnSpec& spec, FirstTurn next, const CacheShape& shape) {
  const size_t tokens = FirstTurnTokens(spec.message, next).size();
  if (!spec.refuse_long_message || tokens <= static_cast<size_t>(shape.window_tokens)) return absl::OkStatus();
  return Invalid("long_message: the message has ", tokens, " tokens, more than the session's window of ",
                 shape.window_tokens);
}

}  // namespace perennial
