// Errors of calls: from gRPC's form into an absl::Status that keeps the google.rpc details, and from there into a line
// that a person can read and a class that a program can act on.

#ifndef PERENNIAL_CLIENT_ERROR_TEXT_H_
#define PERENNIAL_CLIENT_ERROR_TEXT_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace grpc {
class Status;
}

namespace perennial {

// The same code and message; each google.rpc detail (ErrorInfo, BadRequest, RetryInfo …) becomes a payload under its
// type URL ("type.googleapis.com/google.rpc.ErrorInfo"). Details that cannot be parsed are left out.
absl::Status FromGrpcStatus(const grpc::Status& status);

// ErrorInfo.reason, for example "SESSION_NOT_FOUND"; empty when the status carries none of the domain "perennial". An
// error without a reason was not made by a Perennial server's own code: the connection failed, or something else
// answered.
std::string ErrorReason(const absl::Status& status);

// RetryInfo.retry_delay: how long to wait before trying again.
std::optional<absl::Duration> RetryDelay(const absl::Status& status);

// What a program can do about an error.
enum class ErrorClass {
  kNone,            // OK
  kServerError,     // the server refused or failed: read the text
  kUnreachable,     // no Perennial server answers there, the connection was lost, or the server shuts down
  kSessionUnknown,  // the session does not exist (any more)
  kCancelled,       // the caller's own CancelToken
};
ErrorClass ClassifyError(const absl::Status& status);

// One line for a person, without a full stop: what happened, which field and limit, what to do, when to try again, and
// the reason in brackets. `server` is the address that was called.
//   "no server at 127.0.0.1:50051; start one with ./dev serve"
//   "sampling.top_p: 1.5 is not in (0, 1] [INVALID_FIELD]"
//   "no cache is free; try again in 2s [NO_FREE_CACHE]"
std::string ErrorText(const absl::Status& status, absl::string_view server);

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_ERROR_TEXT_H_
