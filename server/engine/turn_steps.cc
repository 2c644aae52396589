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
  int32_t max_tokens = options_.max_step_tokens;
  noted_ = PlanNotes(demands);
  for (const LiveSession* session : noted_) max_tokens -= session->notes.num_tokens();
  std::vector<TurnShare> plan;
  if (max_tokens > 0) {
    plan = PlanStep(demands, {.max_step_tokens = max_tokens, .prefill_chunk_tokens = options_.prefill_chunk_tokens},
                    step_history_);
  }
  if (plan.empty() && noted_.empty()) return false;

  ++stats_.steps;
  std::vector<StepInput> batch;
  batch.reserve(plan.size() + noted_.size());
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
  std::vector<std::vector<TokenId>> notes;
  notes.reserve(noted_.size());
  for (LiveSession* session : noted_) {
    notes.push_back(session->notes.Tokens());
    batch.push_back({.cache = session->cache.get(),
                     .part = Part::kNotes,
                     .tokens = notes.back(),
                     .window_begin = {},
                     .rows = LogitRows::kNone});
  }
  stats_.step_sessions += static_cast<int64_t>(noted_.size());
  const absl::Time begin = clock_->Now();
  step_status_ = model_.runner->Step(batch, step_output_);
  const absl::Duration took = clock_->Now() - begin;
  stats_.step_time += took;
  stats_.last_step_time = took;
  stats_.max_step_time = std::max(stats_.max_step_time, took);
  return true;
}

std::vector<LiveSession*> TurnLoop::PlanNotes(const std::vector<TurnDemand>& demands) {
  std::vector<LiveSession*> running;
  for (const std::unique_ptr<ActiveTurn>& turn : running_) running.push_back(turn->session());
  // A turn that owes notes wants nothing before they are written.
  const bool others_want = std::any_of(demands.begin(), demands.end(),
                                       [](const TurnDemand& demand) { return !demand.paused && demand.tokens > 0; });
  return note_rewrites_.Plan(running, others_want, options_.max_step_tokens);
}

bool TurnLoop::Apply() {
  const absl::Time now = clock_->Now();
  const std::vector<SteppedTurn> stepped = std::exchange(stepped_, {});
  const std::vector<LiveSession*> noted = std::exchange(noted_, {});
  if (!step_status_.ok()) {
    // The caches of a failed step are undefined: its sessions are lost, the others go on.
    if (model_.on_failure) model_.on_failure(step_status_);
    step_status_ = absl::OkStatus();
    LoseSteppedSessions(stepped, noted, now);
  } else {
    for (size_t i = 0; i < stepped.size(); ++i) ApplyToTurn(stepped[i], i, now);
    for (LiveSession* session : noted) {
      stats_.note_tokens += session->notes.num_tokens();
      note_rewrites_.Written(session);
    }
  }
  RemoveEndedTurns();
  return AnswerDrained() || !stepped.empty() || !noted.empty();
}

void TurnLoop::LoseSteppedSessions(const std::vector<SteppedTurn>& stepped, const std::vector<LiveSession*>& noted,
                                   absl::Time now) {
  const absl::Status status = MakeError(ErrorReason::kModelFailure, "the model failed; the session is lost");
  for (const SteppedTurn& turn : stepped) DropSession(*turn.turn, status, now);
  for (LiveSession* session : noted) {
    const auto turn = std::find_if(running_.begin(), running_.end(),
                                   [session](const auto& one) { return one->session() == session; });
    if (turn != running_.end()) {
      DropSession(**turn, status, now);
    } else {
      ForgetSession(session, status, now);
      ++stats_.sessions_failed;
    }
  }
}

void TurnLoop::ApplyToTurn(const SteppedTurn& stepped, size_t input, absl::Time now) {
  ActiveTurn& turn = *stepped.turn;
  turn.EndChunk(now);
  stats_.step_tokens += stepped.tokens;
  if (stepped.prefill) stats_.prefill_tokens += stepped.tokens;
  const int64_t evicted_before = turn.usage().evicted_tokens;
  if (!stepped.samples) {
    const std::optional<ActiveTurn::End> end = turn.AcceptPrompt(now);
    stats_.evicted_tokens += turn.usage().evicted_tokens - evicted_before;
    if (end.has_value()) SendResult(turn, turn.Finish(*end), now);
    return;
  }
  const TokenId token = turn.Sample(step_output_.Row(input), recent_);
  if (token == kNoToken) {
    if (model_.on_failure) model_.on_failure(absl::InternalError("no token can be sampled: no logit is a number"));
    return DropSession(turn, MakeError(ErrorReason::kModelFailure, "the model failed; the session is lost"), now);
  }
  ++stats_.generated_tokens;
  const std::optional<ActiveTurn::End> end = turn.AcceptToken(token, now);
  stats_.evicted_tokens += turn.usage().evicted_tokens - evicted_before;
  if (end.has_value()) SendResult(turn, turn.Finish(*end), now);
}

}  // namespace perennial
