#include "client/error_text.h"

#include <grpcpp/support/status.h>

#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "tests/client/fake_chat_service.h"

namespace perennial {
namespace {

constexpr char kServer[] = "127.0.0.1:50051";

// A status as a server sends it, with these details.
template <typename... Details>
absl::Status Sent(grpc::StatusCode code, const std::string& message, const Details&... details) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  (status.add_details()->PackFrom(details), ...);
  return FromGrpcStatus(grpc::Status(code, message, status.SerializeAsString()));
}

google::rpc::ErrorInfo Reason(const std::string& reason, const std::string& domain = "perennial") {
  google::rpc::ErrorInfo error;
  error.set_domain(domain);
  error.set_reason(reason);
  return error;
}

// gRPC's own report of a connection that failed.
absl::Status Unavailable(const std::string& cause) {
  return absl::UnavailableError("failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:50051: " +
                                cause);
}

TEST(ErrorTextTest, KeepsCodeMessageAndDetails) {
  const absl::Status status = Sent(grpc::StatusCode::NOT_FOUND, "gone", Reason("SESSION_NOT_FOUND"));
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "gone");
  EXPECT_EQ(ErrorReason(status), "SESSION_NOT_FOUND");
  EXPECT_TRUE(FromGrpcStatus(grpc::Status::OK).ok());
}

TEST(ErrorTextTest, DetailsThatAreNotDetailsAreIgnored) {
  const absl::Status status =
      FromGrpcStatus(grpc::Status(grpc::StatusCode::INTERNAL, "broken", "\xff\xff not a message"));
  EXPECT_EQ(status, absl::InternalError("broken"));
  EXPECT_EQ(ErrorText(status, kServer), "broken");
}

TEST(ErrorTextTest, OnlyOurDomainCountsAsReason) {
  EXPECT_EQ(ErrorReason(Sent(grpc::StatusCode::NOT_FOUND, "no", Reason("SESSION_NOT_FOUND", "example.com"))), "");
}

TEST(ErrorTextTest, NamesTheFieldsThatAreBad) {
  google::rpc::BadRequest bad_request;
  auto* first = bad_request.add_field_violations();
  first->set_field("sampling.top_p");
  first->set_description("sampling.top_p: 1.5 is not in (0, 1]");
  auto* second = bad_request.add_field_violations();
  second->set_field("max_tokens");
  second->set_description("must be at least 1");
  EXPECT_EQ(
      ErrorText(Sent(grpc::StatusCode::INVALID_ARGUMENT, "two fields", Reason("INVALID_FIELD"), bad_request), kServer),
      "sampling.top_p: 1.5 is not in (0, 1]; max_tokens: must be at least 1 [INVALID_FIELD]");
}

TEST(ErrorTextTest, SaysWhenToTryAgain) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(2);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  const absl::Status status =
      Sent(grpc::StatusCode::RESOURCE_EXHAUSTED, "no cache is free", Reason("NO_FREE_CACHE"), retry);
  EXPECT_EQ(RetryDelay(status), absl::Milliseconds(2500));
  EXPECT_EQ(ErrorText(status, kServer), "no cache is free; try again in 2.5s [NO_FREE_CACHE]");
  EXPECT_EQ(RetryDelay(Unavailable("Connection refused")), std::nullopt);
}

TEST(ErrorTextTest, SaysWhatToDoWhereTheServersWordsDoNot) {
  const auto text = [](grpc::StatusCode code, const std::string& message, const std::string& reason) {
    return ErrorText(Sent(code, message, Reason(reason)), kServer);
  };
  EXPECT_EQ(text(grpc::StatusCode::ABORTED, "the last turn is 7, not 5", "STALE_TURN"),
            "the last turn is 7, not 5; another client used the session in the meantime: look at it, then send again "
            "[STALE_TURN]");
  EXPECT_EQ(text(grpc::StatusCode::ALREADY_EXISTS, "request_id was used", "REQUEST_ID_REUSED"),
            "request_id was used; a request id stands for one request: give a new one [REQUEST_ID_REUSED]");
  EXPECT_EQ(text(grpc::StatusCode::OUT_OF_RANGE, "turn 3 is gone", "BEYOND_HORIZON"),
            "turn 3 is gone; what has left the window cannot be brought back [BEYOND_HORIZON]");
  EXPECT_EQ(text(grpc::StatusCode::OUT_OF_RANGE, "event 3 is gone", "BEYOND_REPLAY"),
            "event 3 is gone; the missed part of the reply is in the session, but can no longer be shown "
            "[BEYOND_REPLAY]");
  EXPECT_EQ(text(grpc::StatusCode::ABORTED, "nothing was read for 30s", "SLOW_READER"),
            "nothing was read for 30s; the output was not read fast enough; the session is still usable [SLOW_READER]");
}

TEST(ErrorTextTest, TellsAnAbsentServerFromAWrongOne) {
  EXPECT_EQ(ErrorText(Unavailable("Failed to connect to remote host: Connection refused"), kServer),
            "no server at 127.0.0.1:50051; start one with ./dev serve");
  EXPECT_EQ(ErrorText(Unavailable("Failed parsing HTTP/2"), kServer),
            "what answers at 127.0.0.1:50051 is not a Perennial server; check --server (Failed parsing HTTP/2)");
  EXPECT_EQ(ErrorText(Unavailable("connection attempt timed out before receiving SETTINGS frame"), kServer),
            "what answers at 127.0.0.1:50051 is not a Perennial server; check --server (connection attempt timed out "
            "before receiving SETTINGS frame)");
  EXPECT_EQ(
      ErrorText(Unavailable("Socket closed"), kServer),
      "what answers at 127.0.0.1:50051 drops the connection: a proxy whose server is away, or no Perennial server; "
      "check --server (Socket closed)");
  EXPECT_EQ(ErrorText(absl::UnimplementedError(""), kServer),
            "what answers at 127.0.0.1:50051 is not a Perennial server; check --server ()");
  EXPECT_EQ(ErrorText(Unavailable("No route to host"), kServer),
            "no server can be reached at 127.0.0.1:50051 (No route to host)");
  EXPECT_EQ(
      ErrorText(absl::UnavailableError("DNS resolution failed for nowhere:1: Domain name not found"), "nowhere:1"),
      "the name in --server=nowhere:1 is unknown");
  EXPECT_EQ(ErrorText(absl::UnavailableError("Socket closed"), kServer),
            "the connection to the server at 127.0.0.1:50051 was lost (Socket closed)");
}

TEST(ErrorTextTest, IsOneLine) {
  EXPECT_EQ(ErrorText(absl::InternalError("two\nlines"), kServer), "two lines");
  EXPECT_EQ(ErrorText(absl::InternalError(""), kServer), "INTERNAL");
}

TEST(ErrorTextTest, ClassifiesByWhatCanBeDone) {
  EXPECT_EQ(ClassifyError(absl::OkStatus()), ErrorClass::kNone);
  EXPECT_EQ(ClassifyError(absl::CancelledError("")), ErrorClass::kCancelled);
  EXPECT_EQ(ClassifyError(absl::UnavailableError("")), ErrorClass::kUnreachable);
  EXPECT_EQ(ClassifyError(absl::UnimplementedError("")), ErrorClass::kUnreachable);
  EXPECT_EQ(ClassifyError(absl::InternalError("")), ErrorClass::kServerError);
  EXPECT_EQ(ClassifyError(Sent(grpc::StatusCode::UNAVAILABLE, "", Reason("SHUTTING_DOWN"))), ErrorClass::kUnreachable);
  EXPECT_EQ(ClassifyError(Sent(grpc::StatusCode::UNIMPLEMENTED, "", Reason("NOT_SUPPORTED"))),
            ErrorClass::kServerError);
  EXPECT_EQ(ClassifyError(Sent(grpc::StatusCode::NOT_FOUND, "", Reason("SESSION_NOT_FOUND"))),
            ErrorClass::kSessionUnknown);
}

}  // namespace
}  // namespace perennial
