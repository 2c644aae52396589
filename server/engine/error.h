// Errors that reach a client: an absl::Status whose code and reason follow one table. The gRPC edge turns the reason
// into a google.rpc.ErrorInfo (domain "perennial") without knowing why it was raised.

#ifndef PERENNIAL_SERVER_ENGINE_ERROR_H_
#define PERENNIAL_SERVER_ENGINE_ERROR_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace perennial {

// The comment is the status code that goes with the reason.
enum class ErrorReason {
  kInvalidField,      // INVALID_ARGUMENT: a bad field, named, with its value and limit
  kSessionNotFound,   // NOT_FOUND: unknown, expired or someone else's session
  kTurnInProgress,    // FAILED_PRECONDITION: a turn is running and the caller asked not to wait
  kNoFreeCache,       // RESOURCE_EXHAUSTED, retry: no cache memory or no session is free
  kQueueFull,         // RESOURCE_EXHAUSTED, retry: too many turns wait
  kStaleTurn,         // ABORTED: the session's last turn is not the one that the caller expected
  kRequestIdReused,   // ALREADY_EXISTS: the same request id came with another request
  kSlowReader,        // ABORTED: the client read too slowly for too long
  kNotSupported,      // UNIMPLEMENTED: an option that this server does not have
  kBeyondHorizon,     // OUT_OF_RANGE: what was asked for has left the window
  kBeyondReplay,      // OUT_OF_RANGE: events that were asked for are no longer kept, or not yet there
  kShuttingDown,      // UNAVAILABLE, retry: the server drains
  kStoreUnavailable,  // UNAVAILABLE, retry: a parked cache could not be brought in, or a cache parked; nothing is lost
  kModelFailure,      // INTERNAL: the runner failed; the session is dropped; nothing internal in the text
};

// "INVALID_FIELD" and so on: ErrorInfo.reason.
absl::string_view ErrorReasonName(ErrorReason reason);

// A status of the reason's code that carries it. Messages about fields begin with the field's path and a colon:
// "sampling.top_p: 1.5 is not in (0, 1]".
absl::Status MakeError(ErrorReason reason, absl::string_view message);

// The same with a hint when to try again.
absl::Status MakeError(ErrorReason reason, absl::string_view message, absl::Duration retry_after);

// The reason that `status` carries; a plain INVALID_ARGUMENT (as the model layer returns) counts as kInvalidField.
std::optional<ErrorReason> ReasonOf(const absl::Status& status);

// The retry hint that `status` carries.
std::optional<absl::Duration> RetryAfterOf(const absl::Status& status);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_ERROR_H_
