#include "server/engine/budgets.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/engine/error.h"

namespace perennial {

absl::Status CheckMaxTime(absl::Duration max_time, const EngineOptions& options) {
  if (max_time <= absl::ZeroDuration()) {
    return MakeError(ErrorReason::kInvalidField,
                     absl::StrCat("max_time: ", absl::FormatDuration(max_time), " must be more than 0"));
  }
  const absl::Duration most = options.max_turn_time;
  if (most > absl::ZeroDuration() && max_time > most && max_time != absl::InfiniteDuration()) {
    return MakeError(ErrorReason::kInvalidField, absl::StrCat("max_time: ", absl::FormatDuration(max_time),
                                                              " is more than ", absl::FormatDuration(most)));
  }
  return absl::OkStatus();
}

absl::Status CheckBudget(const SessionBudget& budget, const EngineOptions& options) {
  const int64_t most = options.max_session_tokens;
  if (budget.generated_tokens < 0 || (most > 0 && budget.generated_tokens > most)) {
    return MakeError(ErrorReason::kInvalidField,
                     absl::StrCat("budget.generated_tokens: ", budget.generated_tokens, " is not ",
                                  most > 0 ? absl::StrCat("in [0, ", most, "]") : "0 or more"));
  }
  if (budget.time < absl::ZeroDuration() || budget.time == absl::InfiniteDuration()) {
    return MakeError(ErrorReason::kInvalidField,
                     absl::StrCat("budget.time: ", absl::FormatDuration(budget.time), " is not a time of 0 or more"));
  }
  return absl::OkStatus();
}

absl::Duration LimitedMaxTime(absl::Duration max_time, const EngineOptions& options) {
  const bool limited = options.max_turn_time > absl::ZeroDuration();
  return limited ? std::min(max_time, options.max_turn_time) : max_time;
}

SessionBudget LimitedBudget(SessionBudget budget, const EngineOptions& options) {
  if (budget.generated_tokens == 0) budget.generated_tokens = options.max_session_tokens;
  return budget;
}

bool IsUsedUp(const SessionBudget& budget, const SessionBudget& used) {
  return (budget.generated_tokens > 0 && used.generated_tokens >= budget.generated_tokens) ||
         (budget.time > absl::ZeroDuration() && used.time >= budget.time);
}

TimeEnd TimeEndOf(absl::Time admitted, const TurnSpec& spec, const SessionBudget& budget, const SessionBudget& used) {
  if (!spec.reply) return {};
  const TimeEnd turn = {.at = admitted + spec.max_time, .reason = FinishReason::kTurnBudget};
  if (budget.time == absl::ZeroDuration()) return turn;
  const TimeEnd session = {.at = admitted + (budget.time - used.time), .reason = FinishReason::kSessionBudget};
  return session.at <= turn.at ? session : turn;
}

}  // namespace perennial
