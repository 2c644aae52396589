// What a turn may ask of its sampling, and what does not go together.

#ifndef PERENNIAL_SERVER_ENGINE_SAMPLING_CHECKS_H_
#define PERENNIAL_SERVER_ENGINE_SAMPLING_CHECKS_H_

#include "absl/status/status.h"
#include "model/model_runner.h"
#include "server/engine/engine.h"
#include "server/engine/turn.h"

namespace perennial {

// INVALID_FIELD for the first bad field; its message names the field by the API's path, its value and its limit. Checks
// `sampling`, `stop_tokens`, `min_tokens`, `top_logprobs` and what `constraint` goes with; any thread.
absl::Status CheckSampling(const TurnSpec& spec, const EngineOptions& options, const RunnerLimits& runner);

// What does not go with a constraint, whether `spec` has its one already or not.
absl::Status CheckConstrained(const TurnSpec& spec);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_SAMPLING_CHECKS_H_
