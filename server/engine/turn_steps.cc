// TurnLoop's phases Step and Apply.

#include <algorithm>
#include <utility>

#include "server/engine/error.h"
#include "server/engine/scheduler.h"
#include "server/engine/turn_loop.h"

namespace perennial {

bool TurnLoop::Step() {
  std::vector<TurnDemand> demands;
  demands.reserve(running_.size());
  for (const std::unique_ptr<ActiveTurn>& turn : running_) demands.push_back(turn->Demand());
  const std::vector<TurnShare> plan = PlanStep(
      demands, {.max_step_tokens = options_.max_step_tokens, .prefill_chunk_tokens = options_.prefill_chunk_tokens},
      step_history_);
  if (plan.empty()) return false;

  ++stats_.steps;
  std::vector<StepInput> batch;
  batch.reserve(plan.size());
  for (const TurnShare& share : plan) {
    ActiveTurn& turn = *running_[share.turn];
    const ActiveTurn::Chunk chunk = turn.BeginChunk(share.tokens, ++stats_.step_sessions);
    batch.push_back({.cache = turn.session()->cache.get(),
                     .part = Part::kStream,
                     .tokens = chunk.tokens,
                     .window_begin = chunk.window_begin,
                     .rows = chunk.samples ? LogitRows::kLast : LogitRows::kNone});
    stepped_.push_back({&turn, share.tokens, !turn.decoding(), chunk.samples});
  }
  const absl::Time begin = clock_->Now();
  step_status_ = model_.runner->Step(batch, step_output_);
  const absl::Duration took = clock_->Now() - begin;
  stats_.step_time += took;
  stats_.last_step_time = took;
  stats_.max_step_time = std::max(stats_.max_step_time, took);
  return true;
}

bool TurnLoop::Apply() {
  const absl::Time now = clock_->Now();
  const std::vector<SteppedTurn> stepped = std::exchange(stepped_, {});
  if (!step_status_.ok()) {
    // The caches of a failed step are undefined: its sessions are lost, the others go on.
    if (model_.on_failure) model_.on_failure(step_status_);
    step_status_ = absl::OkStatus();
    const absl::Status status = MakeError(ErrorReason::kModelFailure, "the model failed; the session is lost");
    for (const SteppedTurn& turn : stepped) DropSession(*turn.turn, status, now);
  } else {
    for (size_t i = 0; i < stepped.size(); ++i) ApplyToTurn(stepped[i], i, now);
  }
  RemoveEndedTurns();
  return AnswerDrained() || !stepped.empty();
}

void TurnLoop::ApplyToTurn(const SteppedTurn& stepped, size_t input, absl::Time now) {
  ActiveTurn& turn = *stepped.turn;
  turn.EndChunk(now);
  stats_.step_tokens += stepped.tokens;
  if (stepped.prefill) stats_.prefill_tokens += stepped.tokens;
  if (!stepped.samples) return;
  const TokenId token = turn.Sample(step_output_.Row(input), recent_);
  if (token == kNoToken) {
    if (model_.on_failure) model_.on_failure(absl::InternalError("no token can be sampled: no logit is a number"));
    return DropSession(turn, MakeError(ErrorReason::kModelFailure, "the model failed; the session is lost"), now);
  }
  ++stats_.generated_tokens;
  const int64_t evicted_before = turn.usage().evicted_tokens;
  const std::optional<ActiveTurn::End> end = turn.AcceptToken(token, now);
  stats_.evicted_tokens += turn.usage().evicted_tokens - evicted_before;
  if (end.has_value()) SendResult(turn, turn.Finish(*end), now);
}

}  // namespace perennial
