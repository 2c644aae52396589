// How a request is recognised when it comes a second time.

#ifndef PERENNIAL_SERVER_REQUEST_IDENTITY_H_
#define PERENNIAL_SERVER_REQUEST_IDENTITY_H_

#include <string>

#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "server/engine/request_tag.h"

namespace perennial {

inline constexpr size_t kMaxRequestIdBytes = 128;

// `request_id` must be empty or up to kMaxRequestIdBytes printable ASCII characters. INVALID_FIELD.
absl::Status CheckRequestId(absl::string_view request_id);

// The tag of `request`, which has a field request_id; empty if that is. The fingerprint covers the message's type and
// all of its fields but those that say how to wait for the work and not what it is: request_id, if_busy, on_disconnect,
// expected_turn, priority. INVALID_FIELD.
absl::StatusOr<RequestTag> TagOf(const std::string& request_id, const google::protobuf::Message& request);

// 128-bit FNV-1a: the same on every machine, not meant to withstand who looks for a collision with their own request.
absl::uint128 Fingerprint(absl::string_view bytes);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_REQUEST_IDENTITY_H_
