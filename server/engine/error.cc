#include "server/engine/error.h"

#include <cstdint>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace perennial {
namespace {

// A status carries its reason and its retry hint as payloads: they survive copies, and the edge finds them by type.
constexpr absl::string_view kReasonPayload = "type.perennial/ErrorReason";
constexpr absl::string_view kRetryAfterPayload = "type.perennial/RetryAfterNanoseconds";

struct ReasonEntry {
  ErrorReason reason;
  absl::StatusCode code;
  absl::string_view name;
};

constexpr ReasonEntry kReasons[] = {
    {ErrorReason::kInvalidField, absl::StatusCode::kInvalidArgument, "INVALID_FIELD"},
    {ErrorReason::kSessionNotFound, absl::StatusCode::kNotFound, "SESSION_NOT_FOUND"},
    {ErrorReason::kTurnInProgress, absl::StatusCode::kFailedPrecondition, "TURN_IN_PROGRESS"},
    {ErrorReason::kNoFreeCache, absl::StatusCode::kResourceExhausted, "NO_FREE_CACHE"},
    {ErrorReason::kQueueFull, absl::StatusCode::kResourceExhausted, "QUEUE_FULL"},
    {ErrorReason::kStaleTurn, absl::StatusCode::kAborted, "STALE_TURN"},
    {ErrorReason::kRequestIdReused, absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED"},
    {ErrorReason::kSlowReader, absl::StatusCode::kAborted, "SLOW_READER"},
    {ErrorReason::kNotSupported, absl::StatusCode::kUnimplemented, "NOT_SUPPORTED"},
    {ErrorReason::kBeyondHorizon, absl::StatusCode::kOutOfRange, "BEYOND_HORIZON"},
    {ErrorReason::kBeyondReplay, absl::StatusCode::kOutOfRange, "BEYOND_REPLAY"},
    {ErrorReason::kShuttingDown, absl::StatusCode::kUnavailable, "SHUTTING_DOWN"},
    {ErrorReason::kStoreUnavailable, absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE"},
    {ErrorReason::kModelFailure, absl::StatusCode::kInternal, "MODEL_FAILURE"},
};

const ReasonEntry& EntryOf(ErrorReason reason) { return kReasons[static_cast<size_t>(reason)]; }

}  // namespace

absl::string_view ErrorReasonName(ErrorReason reason) { return EntryOf(reason).name; }

absl::Status MakeError(ErrorReason reason, absl::string_view message) {
  const ReasonEntry& entry = EntryOf(reason);
  absl::Status status(entry.code, message);
  status.SetPayload(kReasonPayload, absl::Cord(entry.name));
  return status;
}

absl::Status MakeError(ErrorReason reason, absl::string_view message, absl::Duration retry_after) {
  absl::Status status = MakeError(reason, message);
  status.SetPayload(kRetryAfterPayload, absl::Cord(absl::StrCat(absl::ToInt64Nanoseconds(retry_after))));
  return status;
}

std::optional<ErrorReason> ReasonOf(const absl::Status& status) {
  if (const absl::optional<absl::Cord> payload = status.GetPayload(kReasonPayload); payload.has_value()) {
    for (const ReasonEntry& entry : kReasons) {
      if (*payload == entry.name) return entry.reason;
    }
  }
  if (status.code() == absl::StatusCode::kInvalidArgument) return ErrorReason::kInvalidField;
  return std::nullopt;
}

std::optional<absl::Duration> RetryAfterOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kRetryAfterPayload);
  int64_t nanoseconds = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &nanoseconds)) return std::nullopt;
  return absl::Nanoseconds(nanoseconds);
}

}  // namespace perennial
