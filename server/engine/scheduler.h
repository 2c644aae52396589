// Which turns run in the next step, and how many tokens each: a function of what the turns want and of who was served
// before.
//
// Promises, for any sequence of plans with the same limits (each is tested exhaustively over small worlds, and on the
// whole engine in tests/simulation/fairness_simulation_test.cc):
//   * No step has more than max_step_tokens tokens, and no turn more than it wants, nor more than its chunk.
//   * Work is done whenever a turn that is not paused wants any.
//   * Prefill never starves decode, nor the reverse. Where both want tokens, prefill gets in every step as many as it
//     wants, up to a fourth of the step (kPrefillShare; at least one) and up to prefill_chunk_tokens; decode gets all
//     others. Steps of one token go to the two in turn.
//   * Batch turns never starve, and hold up nobody much: where interactive turns want too, batch turns get a fourth
//     (kBatchShare) of what decode or prefill has in the step; where that is less than a token, one token in every
//     fourth such step. Interactive turns get all others.
//   * Tenants take turns: of one kind (decode or prefill) and one priority, each tenant is served once (one token or
//   one
//     chunk) before any is served again, over as many steps as it takes.
//   * A tenant's turns of one kind and priority take turns in the same way: the one served longest ago comes first (a
//     turn counts as served when it is admitted).
//
// Together: a turn that is not paused is served within any k * c * T * N steps. T: tenants, N: the most turns that one
// of them has of the turn's kind and priority. k: 2 if steps have one token and the other kind wants it too. c: 4 for a
// batch turn, 2 for an interactive one, while the other priority wants tokens too. Else k and c are 1.

#ifndef PERENNIAL_SERVER_ENGINE_SCHEDULER_H_
#define PERENNIAL_SERVER_ENGINE_SCHEDULER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "server/engine/tenant_rounds.h"
#include "server/engine/turn.h"

namespace perennial {

// The part of a step that prefills are promised while others decode: one in so many. Decodes use what prefills leave.
inline constexpr int32_t kPrefillShare = 4;

// What one running turn could do in the next step.
struct TurnDemand {
  int64_t tokens = 0;     // it could feed this many: the rest of its prompt, or 1 if it decodes
  bool decoding = false;  // its prompt has been fed
  bool paused = false;    // its client does not read: not scheduled
  int64_t last_service =
      0;  // number of its last service, counted over all turns; when it was admitted, of the last one
  Priority priority = Priority::kInteractive;
  int32_t tenant = 0;  // number from Tenants
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

// What the next plan must know of the earlier ones. Does not grow with them.
struct StepHistory {
  struct Kind {
    std::array<TenantRounds, 2> rounds;  // by priority
    int32_t passed_over = 0;             // steps since batch turns were served, or wanted nothing
  };
  Kind decode;
  Kind prefill;
  bool decode_was_last = false;  // to be served in a step of one token
};

// The next step: decoding turns first, then prefills; each kind interactive turns first. Empty if no turn wants
// anything. Equals among the longest unserved keep the order of `demands`. The plan must be carried out: `history` has
// it.
std::vector<TurnShare> PlanStep(absl::Span<const TurnDemand> demands, const StepLimits& limits, StepHistory& history);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_SCHEDULER_H_
