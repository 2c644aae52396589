// What must hold after every pass, and at the end.

#include <algorithm>
#include <cstddef>

#include "gtest/gtest.h"
#include "tests/simulation/chaos_simulation.h"

namespace perennial {
namespace {

constexpr int64_t kMostRounds = 20'000;  // far more than any storm takes

}  // namespace

void ChaosSimulation::Pass() {
  if (!driver_->Pass()) return;
  tally_.Count("passes");
  std::erase_if(followers_, [](const std::shared_ptr<Follower>& follower) { return follower->finished(); });
  CheckBooks();
  CheckProgress();
  if (!driver_->worked()) {
    const EngineStats stats = engine_->Stats();
    EXPECT_EQ(stats.running_turns, stats.paused_turns) << "a turn could run and does not";
    EXPECT_GT(engine_->NextWakeTime(), clock_.Now()) << "the engine would spin";
    if (stats.waiting_turns > 0) {
      EXPECT_GT(stats.running_turns, 0) << "a turn waits for nobody";
    }
  }
}

void ChaosSimulation::CheckBooks() {
  const EngineStats stats = engine_->Stats();
  const FakeCounters runner = runner_->counters();
  EXPECT_GE(stats.sessions, runner.live_caches) << "a cache was leaked";
  EXPECT_EQ(stats.parked_bytes, parked_store_->used_bytes());
  EXPECT_LE(stats.parked_bytes, options_.parked_memory);
  EXPECT_EQ(stats.cache_bytes, runner.used_bytes);
  EXPECT_LE(stats.sessions, options_.max_sessions);
  EXPECT_EQ(stats.sessions_created,
            stats.sessions + stats.sessions_expired + stats.sessions_deleted + stats.sessions_failed);
  EXPECT_EQ(submitted_, stats.turns_finished + stats.turns_cancelled + stats.turns_failed + stats.turns_rejected +
                            stats.turns_rejoined + stats.waiting_turns + stats.running_turns);
  // More only where readers that did not read have begun to again.
  most_active_turns_ = std::max(most_active_turns_, stats.running_turns - stats.paused_turns);
  EXPECT_LE(stats.running_turns, options_.max_sessions);
  EXPECT_LE(stats.waiting_turns, options_.max_waiting_turns);
  EXPECT_LE(stats.request_ids, options_.max_request_ids);
  EXPECT_LE(runner.largest_batch, options_.max_sessions);
  EXPECT_LE(runner.largest_step_tokens, options_.max_step_tokens);
  EXPECT_EQ(runner.refused_steps, 0) << "the runner found fault with a batch";
  EXPECT_EQ(stats.step_tokens, runner.stream_tokens);
  EXPECT_EQ(stats.note_tokens, runner.note_tokens);
  EXPECT_EQ(stats.steps, runner.steps + runner.failed_steps);
  EXPECT_GE(stats.turns_started, static_cast<int64_t>(stories_.size()));
  if (stats.detached_turns > 0) tally_.Count("detached turn");
  CheckFollowers(stats);
}

void ChaosSimulation::CheckFollowers(const EngineStats& stats) {
  // Turns with a reader that reads have not ended: their readers would know. One that does not read may not know.
  std::vector<const TurnRequest*> surely, perhaps;
  for (const std::shared_ptr<Follower>& follower : followers_) {
    if (follower->reading_since < driver_->passes() && follower->reads()) surely.push_back(follower->request().get());
    perhaps.push_back(follower->request().get());
  }
  const auto count = [](std::vector<const TurnRequest*>& requests) {
    std::sort(requests.begin(), requests.end());
    return std::unique(requests.begin(), requests.end()) - requests.begin();
  };
  const int64_t followed = stats.running_turns + stats.waiting_turns - stats.detached_turns;
  EXPECT_LE(count(surely), followed) << "a turn was lost";
  EXPECT_GE(count(perhaps), followed) << "a reader was lost";
}

void ChaosSimulation::CheckProgress() {
  for (const std::shared_ptr<Follower>& follower : followers_) {
    const TurnRequest& request = *follower->request();
    if (follower->story == nullptr || !follower->reads() || request.followers > 1) continue;
    // Seen from outside, a service is a token's text. A plain greedy turn follows the script, whose tokens all have
    // some.
    const SamplingParams& sampling = request.spec.sampling;
    if (sampling.temperature > 0 || sampling.needs_recent() || request.spec.ignore_end_of_turn) continue;
    if (request.spec.min_tokens > 0 || !request.spec.reply) continue;
    // A prefill needs a service per token at most; stop strings hold back one token's text.
    const bool decoding = !follower->story->text().empty();
    const int64_t services = decoding ? 2 : follower->story->prompt_tokens + 2;
    EXPECT_LE(driver_->passes() - follower->last_progress, services * (2 * MostStepsUnserved() + 1))
        << "a turn starves";
  }
}

int64_t ChaosSimulation::MostStepsUnserved() const {
  const int64_t turns = std::max<int64_t>(most_active_turns_, options_.max_running_turns);
  const int64_t kinds = options_.max_step_tokens == 1 ? 2 : 1;
  if (!mixed_) return kinds * turns;
  // T tenants with at most N turns each are T + N - 1 turns at least: T * N is greatest where both are half of them.
  return kinds * kBatchShare * (turns + 1) * (turns + 1) / 4;
}

void ChaosSimulation::CheckSleep() {
  if (!driver_->asleep() || !choice_.OneIn(4)) return;
  EXPECT_TRUE(driver_->SleepsRightly()) << "the engine sleeps although it has something to do";
}

void ChaosSimulation::CheckSession(const std::shared_ptr<KnownSession>& session, const SessionSummary& summary) {
  EXPECT_GE(summary.last_turn, session->last_turn) << "a turn's number was taken back";
  EXPECT_LE(summary.turns, summary.last_turn);
  if (summary.state != SessionState::kIdle) return;
  const SessionMemory memory = summary.memory;
  session->truth.AddAction(summary.last_turn, [memory](SessionTruth& truth) {
    EXPECT_EQ(memory.stream_tokens, truth.oracle().stream_tokens());
    EXPECT_EQ(memory.horizon_token, truth.oracle().horizon());
  });
}

void ChaosSimulation::Storm() {
  for (int64_t rounds = 0; rounds < kMostRounds && !testing::Test::HasFailure(); ++rounds) {
    const EngineStats stats = engine_->Stats();
    if (stats.steps >= kLeastSteps && stats.sessions_created >= kLeastSessions) return;
    CheckSleep();
    Act();
    Pass();
  }
  EXPECT_TRUE(testing::Test::HasFailure()) << "the storm was too slow";
}

// Everybody reads, nobody comes: whatever was begun must come to its end.
void ChaosSimulation::Calm() {
  for (const std::shared_ptr<Follower>& follower : followers_) {
    follower->SetReads(true);
    follower->reading_since = driver_->passes();
    if (follower->request()->spec.max_tokens == 0) follower->ticket->Leave();
  }
  Wake();
  bool waited = false;
  for (int64_t round = 0; round < kMostRounds && !testing::Test::HasFailure(); ++round) {
    if (!driver_->asleep()) {
      Pass();
      continue;
    }
    if (followers_.empty()) return;
    // Turns that nobody follows may be in their way; they have their time.
    EXPECT_TRUE(waited || engine_->Stats().detached_turns > 0) << "a turn is stuck";
    waited = true;
    clock_.Advance(absl::Seconds(1));
  }
  EXPECT_TRUE(testing::Test::HasFailure()) << "a turn is stuck for ever";
}

void ChaosSimulation::Drain() {
  tally_.Count("drain");
  bool drained = false;
  engine_->Drain(clock_.Now() + choice_.Seconds(0, 30), [&] { drained = true; });
  for (int64_t round = 0; round < kMostRounds && !drained && !testing::Test::HasFailure(); ++round) {
    if (choice_.OneIn(3) || driver_->asleep()) clock_.Advance(absl::Seconds(1));
    Pass();
  }
  EXPECT_TRUE(drained);
  EXPECT_TRUE(followers_.empty()) << "drained, and a client was left waiting";
}

void ChaosSimulation::CheckEnd() {
  engine_->Stop();
  std::erase_if(followers_, [](const std::shared_ptr<Follower>& follower) { return follower->finished(); });
  CheckBooks();
  const EngineStats stats = engine_->Stats();
  EXPECT_TRUE(followers_.empty()) << "a client was left waiting";
  EXPECT_EQ(stats.running_turns + stats.waiting_turns, 0);
  tally_.Count("expired session", stats.sessions_expired);
  tally_.Count("parked session", stats.sessions_parked);
  tally_.Count("resumed session", stats.sessions_resumed);
  tally_.Count("rejoined turn", stats.turns_rejoined);
  tally_.Count("steps", stats.steps);
  tally_.Count("sessions", stats.sessions_created);
  const bool all_known =
      stats.turns_started == static_cast<int64_t>(stories_.size()) &&
      std::all_of(stories_.begin(), stories_.end(), [](const auto& story) { return story.second->end.has_value(); });
  tally_.Count(all_known ? "worlds known to the last token" : "worlds with turns whose end nobody saw");
  if (all_known) {
    EXPECT_EQ(fed_, stats.step_tokens);
    EXPECT_EQ(generated_, stats.generated_tokens);
    EXPECT_EQ(evicted_, stats.evicted_tokens);
  } else {
    EXPECT_LE(generated_, stats.generated_tokens) << "a token was counted twice";
  }
  engine_.reset();
  EXPECT_EQ(runner_->counters().live_caches, 0);
  EXPECT_EQ(parked_store_->used_bytes(), 0);
}

}  // namespace perennial
