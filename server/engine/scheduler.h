// Which turns run in the next step, and how many tokens each: a pure function of what the turns want.
//
// Promises, for any sequence of plans with the same limits (each is tested exhaustively over small worlds):
//   * No step has more than max_step_tokens tokens, and no turn more than it wants, nor more than its chunk.
//   * Work is done whenever a turn that is not paused wants any.
//   * Prefill never starves decode, nor the reverse: where both want tokens and a step holds at least two, both get
//   some.
//   * Turns of one kind take turns: the one served longest ago comes first, so that each is served within as many steps
//     as there are turns (a turn counts as served at the step in which it was admitted).

#ifndef PERENNIAL_SERVER_ENGINE_SCHEDULER_H_
#define PERENNIAL_SERVER_ENGINE_SCHEDULER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace perennial {

// What one running turn could do in the next step.
struct TurnDemand {
  int64_t tokens = 0;     // it could feed this many: the rest of its prompt, or 1 if it decodes
  bool decoding = false;  // its prompt has been fed
  bool paused = false;    // its client does not read: not scheduled
  int64_t last_step = 0;  // number of the step that last served it, or in which it was admitted
};

struct StepLimits {
  int32_t max_step_tokens = 1;       // >= 1
  int32_t prefill_chunk_tokens = 1;  // >= 1; of one prefill; of all together while another turn decodes
};

struct TurnShare {
  size_t turn = 0;     // index into the demands
  int32_t tokens = 0;  // >= 1
  bool operator==(const TurnShare&) const = default;
};

// The next step: decoding turns first, then prefills. Empty if no turn wants anything. Equals among the longest
// unserved keep the order of `demands`.
std::vector<TurnShare> PlanStep(absl::Span<const TurnDemand> demands, const StepLimits& limits);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_SCHEDULER_H_
