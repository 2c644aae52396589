#include "server/engine/error.h"

#include <map>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace perennial {
namespace {

TEST(ErrorTest, FollowsTheTableOfCodesAndReasons) {
  const struct {
    ErrorReason reason;
    absl::StatusCode code;
    const char* name;
  } table[] = {
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
  for (const auto& row : table) {
    const absl::Status status = MakeError(row.reason, "why");
    EXPECT_EQ(status.code(), row.code) << row.name;
    EXPECT_EQ(status.message(), "why");
    EXPECT_EQ(ErrorReasonName(row.reason), row.name);
    EXPECT_EQ(ReasonOf(status), row.reason);
    EXPECT_EQ(RetryAfterOf(status), std::nullopt);
  }
}

TEST(ErrorTest, CarriesARetryHint) {
  const absl::Status status = MakeError(ErrorReason::kQueueFull, "full", absl::Milliseconds(1500));
  EXPECT_EQ(RetryAfterOf(status), absl::Milliseconds(1500));
  EXPECT_EQ(ReasonOf(status), ErrorReason::kQueueFull);
}

TEST(ErrorTest, TakesAPlainInvalidArgumentForABadField) {
  EXPECT_EQ(ReasonOf(absl::InvalidArgumentError("top_p: 2")), ErrorReason::kInvalidField);
}

TEST(ErrorTest, FindsNoReasonInOtherStatuses) {
  EXPECT_EQ(ReasonOf(absl::OkStatus()), std::nullopt);
  EXPECT_EQ(ReasonOf(absl::CancelledError("gone")), std::nullopt);
  EXPECT_EQ(RetryAfterOf(absl::UnavailableError("elsewhere")), std::nullopt);
}

}  // namespace
}  // namespace perennial
