#include "server/engine/scheduler.h"

#include <algorithm>

#include "model/check.h"

namespace perennial {
namespace {

// Turns of one kind that want tokens, by priority, each in the order in which they are served.
struct Wishes {
  std::array<std::vector<size_t>, 2> turns;
  std::array<int64_t, 2> tokens = {0, 0};  // wanted in one step

  bool empty() const { return turns[0].empty() && turns[1].empty(); }
  int64_t all_tokens() const { return tokens[0] + tokens[1]; }
};

int64_t WantedInAStep(const TurnDemand& demand, const StepLimits& limits) {
  return std::min<int64_t>(demand.tokens, limits.prefill_chunk_tokens);
}

Wishes WishesOf(bool decoding, absl::Span<const TurnDemand> demands, const StepLimits& limits,
                const StepHistory::Kind& history) {
  Wishes wishes;
  for (size_t i = 0; i < demands.size(); ++i) {
    if (demands[i].paused || demands[i].tokens <= 0 || demands[i].decoding != decoding) continue;
    const size_t priority = demands[i].priority == Priority::kBatch ? 1 : 0;
    wishes.turns[priority].push_back(i);
    wishes.tokens[priority] += WantedInAStep(demands[i], limits);
  }
  for (size_t priority = 0; priority < 2; ++priority) {
    std::vector<size_t>& turns = wishes.turns[priority];
    std::stable_sort(turns.begin(), turns.end(),
                     [demands](size_t a, size_t b) { return demands[a].last_service < demands[b].last_service; });
    std::vector<int32_t> tenants;
    for (const size_t turn : turns) tenants.push_back(demands[turn].tenant);
    std::vector<size_t> ordered;
    for (const size_t i : history.rounds[priority].Order(tenants)) ordered.push_back(turns[i]);
    turns = std::move(ordered);
  }
  return wishes;
}

// Shares `tokens` out among the turns of one kind.
void Serve(const Wishes& wishes, int64_t tokens, absl::Span<const TurnDemand> demands, const StepLimits& limits,
           StepHistory::Kind& history, std::vector<TurnShare>& plan) {
  const auto [interactive_wants, batch_wants] = wishes.tokens;
  int64_t for_batch = tokens - std::min(tokens, interactive_wants);
  if (interactive_wants > 0 && batch_wants > 0) {
    const int64_t due = history.passed_over >= kBatchShare - 1 ? 1 : 0;
    for_batch = std::max(for_batch, std::min(batch_wants, std::max(tokens / kBatchShare, due)));
  }
  const std::array<int64_t, 2> budgets = {tokens - for_batch, for_batch};
  for (size_t priority = 0; priority < 2; ++priority) {
    int64_t left = budgets[priority];
    for (const size_t turn : wishes.turns[priority]) {
      if (left == 0) break;
      const int64_t share = std::min(left, WantedInAStep(demands[turn], limits));
      plan.push_back({turn, static_cast<int32_t>(share)});
      history.rounds[priority].Served(demands[turn].tenant);
      left -= share;
    }
  }
  history.passed_over = batch_wants > 0 && for_batch == 0 ? history.passed_over + 1 : 0;
}

}  // namespace

std::vector<TurnShare> PlanStep(absl::Span<const TurnDemand> demands, const StepLimits& limits, StepHistory& history) {
  PERENNIAL_CHECK(limits.max_step_tokens >= 1 && limits.prefill_chunk_tokens >= 1);
  Wishes decodes = WishesOf(true, demands, limits, history.decode);
  Wishes prefills = WishesOf(false, demands, limits, history.prefill);

  int64_t for_prefill = 0;  // promised
  if (!prefills.empty() && !decodes.empty()) {
    if (limits.max_step_tokens == 1) {
      // One token cannot be shared.
      (history.decode_was_last ? decodes : prefills) = Wishes();
      history.decode_was_last = !history.decode_was_last;
    } else {
      const int32_t share = std::max(1, limits.max_step_tokens / kPrefillShare);
      for_prefill = std::min<int64_t>({prefills.all_tokens(), share, limits.prefill_chunk_tokens});
    }
  }

  std::vector<TurnShare> plan;
  const int64_t for_decode = std::min<int64_t>(decodes.all_tokens(), limits.max_step_tokens - for_prefill);
  if (!decodes.empty()) Serve(decodes, for_decode, demands, limits, history.decode, plan);
  int64_t left = limits.max_step_tokens - for_decode;
  if (for_decode > 0) left = std::min<int64_t>(left, limits.prefill_chunk_tokens);
  if (!prefills.empty() && left > 0) Serve(prefills, left, demands, limits, history.prefill, plan);
  return plan;
}

}  // namespace perennial
