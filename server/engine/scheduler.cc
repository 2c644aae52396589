#include "server/engine/scheduler.h"

#include <algorithm>

#include "model/check.h"

namespace perennial {
namespace {

// The part of a step that prefills are promised while others decode. Decodes use what prefills leave of it.
constexpr int32_t kPrefillShare = 4;  // one in four

}  // namespace

std::vector<TurnShare> PlanStep(absl::Span<const TurnDemand> demands, const StepLimits& limits) {
  PERENNIAL_CHECK(limits.max_step_tokens >= 1 && limits.prefill_chunk_tokens >= 1);
  std::vector<size_t> decodes;
  std::vector<size_t> prefills;
  for (size_t i = 0; i < demands.size(); ++i) {
    if (demands[i].paused || demands[i].tokens <= 0) continue;
    (demands[i].decoding ? decodes : prefills).push_back(i);
  }
  const auto longest_unserved = [demands](size_t a, size_t b) { return demands[a].last_step < demands[b].last_step; };
  std::stable_sort(decodes.begin(), decodes.end(), longest_unserved);
  std::stable_sort(prefills.begin(), prefills.end(), longest_unserved);

  int64_t for_prefill = 0;  // promised
  if (!prefills.empty() && !decodes.empty()) {
    if (limits.max_step_tokens == 1) {
      // One token cannot be shared: the longest unserved turn of all gets it.
      (longest_unserved(prefills.front(), decodes.front()) ? decodes : prefills).clear();
    } else {
      int64_t wanted = 0;
      for (const size_t i : prefills) wanted += demands[i].tokens;
      const int32_t share = std::max(1, limits.max_step_tokens / kPrefillShare);
      for_prefill = std::min<int64_t>({wanted, share, limits.prefill_chunk_tokens});
    }
  }

  std::vector<TurnShare> plan;
  const auto num_decodes =
      std::min<int64_t>(static_cast<int64_t>(decodes.size()), limits.max_step_tokens - for_prefill);
  for (int64_t i = 0; i < num_decodes; ++i) plan.push_back({decodes[static_cast<size_t>(i)], 1});

  int64_t left = limits.max_step_tokens - num_decodes;
  if (num_decodes > 0) left = std::min<int64_t>(left, limits.prefill_chunk_tokens);
  for (const size_t i : prefills) {
    if (left == 0) break;
    const int64_t tokens = std::min<int64_t>({left, limits.prefill_chunk_tokens, demands[i].tokens});
    plan.push_back({i, static_cast<int32_t>(tokens)});
    left -= tokens;
  }
  return plan;
}

}  // namespace perennial
