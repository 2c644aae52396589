// From the engine's errors to gRPC statuses with google.rpc details, following the error table of the API.

#ifndef PERENNIAL_SERVER_STATUS_MAPPING_H_
#define PERENNIAL_SERVER_STATUS_MAPPING_H_

#include <grpcpp/support/status.h>

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace perennial {

// ErrorInfo.domain of all errors.
inline constexpr absl::string_view kErrorDomain = "perennial";

// OK stays OK. Else the same code and message, with a google.rpc.Status in the details that carries:
//   ErrorInfo    where the status has an ErrorReason: domain "perennial" and the reason's name;
//   BadRequest   for INVALID_FIELD: one violation, field and description taken from "field.path: description";
//   RetryInfo    where the status has a retry hint.
// INTERNAL without a reason keeps its code and loses its text: what went wrong inside is not for clients.
grpc::Status ToGrpcStatus(const absl::Status& status);

// "field.path" of "field.path: description" (letters, digits, '_', '.', '[', ']'), if the message begins with one.
std::optional<absl::string_view> FieldOf(absl::string_view message);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_STATUS_MAPPING_H_
