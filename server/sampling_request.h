// The `sampling` of a request: filled up with the server's defaults and checked.

#ifndef PERENNIAL_SERVER_SAMPLING_REQUEST_H_
#define PERENNIAL_SERVER_SAMPLING_REQUEST_H_

#include <cstdint>

#include "absl/status/status.h"
#include "perennial/v1/turn.pb.h"
#include "server/engine/turn.h"
#include "server/request_rules.h"

namespace perennial {

// Fills in what `turn` samples with, but for the constraint, which is made from the JSON Schema later. `seed` is used
// where the request has none. INVALID_FIELD for the first bad field, and for what does not go together.
// REQUIRES: `turn` has its max_tokens, ignore_end_of_turn and stop_strings.
absl::Status ReadSampling(const v1::Sampling& request, const RequestRules& rules, uint64_t seed, TurnSpec& turn);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_SAMPLING_REQUEST_H_
