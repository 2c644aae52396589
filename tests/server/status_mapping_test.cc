#include "server/status_mapping.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/engine/error.h"
#include "tests/e2e/chat_calls.h"

namespace perennial {
namespace {

TEST(StatusMappingTest, EveryReasonHasItsCodeDomainAndName) {
  struct Row {
    ErrorReason reason;
    grpc::StatusCode code;
    std::string name;
  };
  const Row rows[] = {
      {ErrorReason::kInvalidField, grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD"},
      {ErrorReason::kSessionNotFound, grpc::StatusCode::NOT_FOUND, "SESSION_NOT_FOUND"},
      {ErrorReason::kTurnInProgress, grpc::StatusCode::FAILED_PRECONDITION, "TURN_IN_PROGRESS"},
      {ErrorReason::kNoFreeCache, grpc::StatusCode::RESOURCE_EXHAUSTED, "NO_FREE_CACHE"},
      {ErrorReason::kQueueFull, grpc::StatusCode::RESOURCE_EXHAUSTED, "QUEUE_FULL"},
      {ErrorReason::kStaleTurn, grpc::StatusCode::ABORTED, "STALE_TURN"},
      {ErrorReason::kRequestIdReused, grpc::StatusCode::ALREADY_EXISTS, "REQUEST_ID_REUSED"},
      {ErrorReason::kSlowReader, grpc::StatusCode::ABORTED, "SLOW_READER"},
      {ErrorReason::kNotSupported, grpc::StatusCode::UNIMPLEMENTED, "NOT_SUPPORTED"},
      {ErrorReason::kBeyondHorizon, grpc::StatusCode::OUT_OF_RANGE, "BEYOND_HORIZON"},
      {ErrorReason::kBeyondReplay, grpc::StatusCode::OUT_OF_RANGE, "BEYOND_REPLAY"},
      {ErrorReason::kShuttingDown, grpc::StatusCode::UNAVAILABLE, "SHUTTING_DOWN"},
      {ErrorReason::kStoreUnavailable, grpc::StatusCode::UNAVAILABLE, "STORE_UNAVAILABLE"},
      {ErrorReason::kModelFailure, grpc::StatusCode::INTERNAL, "MODEL_FAILURE"},
  };
  for (const Row& row : rows) {
    const grpc::Status status = ToGrpcStatus(MakeError(row.reason, "it is so"));
    EXPECT_EQ(status.error_code(), row.code) << row.name;
    EXPECT_EQ(status.error_message(), "it is so");
    EXPECT_EQ(ReasonOf(status), row.name);
    google::rpc::Status details;
    ASSERT_TRUE(details.ParseFromString(status.error_details()));
    EXPECT_EQ(details.code(), static_cast<int>(row.code));
    google::rpc::ErrorInfo error;
    ASSERT_TRUE(details.details(0).UnpackTo(&error));
    EXPECT_EQ(error.domain(), "perennial");
    EXPECT_FALSE(RetryInfoOf(status).has_value());
    EXPECT_FALSE(BadRequestOf(status).has_value());
  }
}

TEST(StatusMappingTest, OkIsOk) { EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok()); }

TEST(StatusMappingTest, ABadFieldIsNamed) {
  const grpc::Status status = ToGrpcStatus(MakeError(ErrorReason::kInvalidField, "stop[3]: 300 bytes: too long"));
  const auto bad_request = BadRequestOf(status);
  ASSERT_TRUE(bad_request.has_value());
  ASSERT_EQ(bad_request->field_violations_size(), 1);
  EXPECT_EQ(bad_request->field_violations(0).field(), "stop[3]");
  EXPECT_EQ(bad_request->field_violations(0).description(), "300 bytes: too long");
}

TEST(StatusMappingTest, AnErrorOfTheModelLayerCountsAsABadField) {
  const grpc::Status status = ToGrpcStatus(absl::InvalidArgumentError("sampling.top_p: 2 is not in (0, 1]"));
  EXPECT_EQ(ReasonOf(status), "INVALID_FIELD");
  EXPECT_EQ(BadRequestOf(status)->field_violations(0).field(), "sampling.top_p");
}

TEST(StatusMappingTest, ARetryHintIsPassedOn) {
  const grpc::Status status = ToGrpcStatus(MakeError(ErrorReason::kQueueFull, "full", absl::Milliseconds(1500)));
  ASSERT_TRUE(RetryInfoOf(status).has_value());
  EXPECT_EQ(RetryInfoOf(status)->retry_delay().seconds(), 1);
  EXPECT_EQ(RetryInfoOf(status)->retry_delay().nanos(), 500'000'000);
}

TEST(StatusMappingTest, WhatWentWrongInsideStaysInside) {
  EXPECT_EQ(ToGrpcStatus(absl::InternalError("pointer 0x123")).error_message(), "internal error");
  EXPECT_EQ(ToGrpcStatus(absl::UnknownError("tensor shapes")).error_message(), "internal error");
}

TEST(StatusMappingTest, CancelAndDeadlineKeepTheirCodes) {
  EXPECT_EQ(ToGrpcStatus(absl::CancelledError("x")).error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(ToGrpcStatus(absl::DeadlineExceededError("x")).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST(FieldOfTest, OnlyAPathBeforeAColonIsAField) {
  EXPECT_EQ(FieldOf("config.history[2].role: 9 is odd"), "config.history[2].role");
  EXPECT_EQ(FieldOf("no colon"), std::nullopt);
  EXPECT_EQ(FieldOf("two words: no"), std::nullopt);
  EXPECT_EQ(FieldOf(": empty"), std::nullopt);
}

}  // namespace
}  // namespace perennial
