#include "server/status_mapping.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/engine/error.h"
#include "server/to_proto.h"

namespace perennial {
namespace {

constexpr absl::string_view kSeparator = ": ";

// absl's codes are the canonical ones, as gRPC's are.
grpc::StatusCode ToGrpcCode(absl::StatusCode code) { return static_cast<grpc::StatusCode>(static_cast<int>(code)); }

}  // namespace

std::optional<absl::string_view> FieldOf(absl::string_view message) {
  const size_t end = message.find(kSeparator);
  if (end == absl::string_view::npos || end == 0) return std::nullopt;
  const absl::string_view field = message.substr(0, end);
  for (const char c : field) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '.' && c != '[' && c != ']') {
      return std::nullopt;
    }
  }
  return field;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::optional<ErrorReason> reason = ReasonOf(status);
  std::string message(status.message());
  if (!reason.has_value() && (absl::IsInternal(status) || absl::IsUnknown(status))) message = "internal error";

  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(message);
  if (reason.has_value()) {
    google::rpc::ErrorInfo error;
    error.set_reason(std::string(ErrorReasonName(*reason)));
    error.set_domain(std::string(kErrorDomain));
    details.add_details()->PackFrom(error);
  }
  if (reason == ErrorReason::kInvalidField) {
    if (const std::optional<absl::string_view> field = FieldOf(message); field.has_value()) {
      google::rpc::BadRequest bad_request;
      google::rpc::BadRequest::FieldViolation* violation = bad_request.add_field_violations();
      violation->set_field(std::string(*field));
      violation->set_description(message.substr(field->size() + kSeparator.size()));
      details.add_details()->PackFrom(bad_request);
    }
  }
  if (const std::optional<absl::Duration> retry_after = RetryAfterOf(status); retry_after.has_value()) {
    google::rpc::RetryInfo retry;
    *retry.mutable_retry_delay() = ToProto(*retry_after);
    details.add_details()->PackFrom(retry);
  }
  return grpc::Status(ToGrpcCode(status.code()), message, details.SerializeAsString());
}

}  // namespace perennial
