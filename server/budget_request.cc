#include "server/budget_request.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/to_proto.h"

namespace perennial {
namespace {

absl::Status UnknownValue(absl::string_view field, int value) {
  return FieldError(field, absl::StrCat(value, " is not a value that this server knows"));
}

absl::StatusOr<Priority> CheckPriority(v1::Priority priority) {
  switch (priority) {
    case v1::PRIORITY_UNSPECIFIED:
    case v1::PRIORITY_INTERACTIVE:
      return Priority::kInteractive;
    case v1::PRIORITY_BATCH:
      return Priority::kBatch;
    default:
      return UnknownValue("priority", priority);
  }
}

absl::StatusOr<OnRepetition> CheckOnRepetition(v1::OnRepetition action, OnRepetition otherwise) {
  switch (action) {
    case v1::ON_REPETITION_UNSPECIFIED:
      return otherwise;
    case v1::ON_REPETITION_IGNORE:
      return OnRepetition::kIgnore;
    case v1::ON_REPETITION_REPORT:
      return OnRepetition::kReport;
    case v1::ON_REPETITION_FINISH:
      return OnRepetition::kFinish;
    default:
      return UnknownValue("on_repetition", action);
  }
}

}  // namespace

absl::Status CheckTurnBudget(const v1::ChatRequest& request, const RequestRules& rules, TurnSpec& turn) {
  absl::StatusOr<Priority> priority = CheckPriority(request.priority());
  if (!priority.ok()) return priority.status();
  turn.priority = *priority;
  absl::StatusOr<OnRepetition> on_repetition = CheckOnRepetition(request.on_repetition(), rules.on_repetition);
  if (!on_repetition.ok()) return on_repetition.status();
  turn.on_repetition = *on_repetition;
  // Without a value the engine takes its limit.
  if (!request.has_max_time()) return absl::OkStatus();
  turn.max_time = FromProto(request.max_time());
  const absl::Duration most = rules.options.engine.max_turn_time;
  if (turn.max_time <= absl::ZeroDuration()) {
    return FieldError("max_time", absl::StrCat(absl::FormatDuration(turn.max_time), " is not more than 0"));
  }
  if (most > absl::ZeroDuration() && turn.max_time > most) {
    return FieldError("max_time", absl::StrCat(absl::FormatDuration(turn.max_time), " is more than ",
                                               absl::FormatDuration(most), " (max_turn_time)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<SessionBudget> CheckSessionBudget(absl::string_view field, const v1::SessionBudget& budget,
                                                 const RequestRules& rules) {
  const SessionBudget checked = {.generated_tokens = budget.generated_tokens(), .time = FromProto(budget.time())};
  const int64_t most = rules.options.engine.max_session_tokens;
  if (checked.generated_tokens < 0) {
    return FieldError(absl::StrCat(field, ".generated_tokens"), absl::StrCat(checked.generated_tokens, " is negative"));
  }
  if (most > 0 && checked.generated_tokens > most) {
    return FieldError(absl::StrCat(field, ".generated_tokens"),
                      absl::StrCat(checked.generated_tokens, " is more than ", most, " (max_session_tokens)"));
  }
  if (checked.time < absl::ZeroDuration()) {
    return FieldError(absl::StrCat(field, ".time"), absl::StrCat(absl::FormatDuration(checked.time), " is negative"));
  }
  return checked;
}

}  // namespace perennial
