// What the engine tells the simulated clients: which turn is whose, and that each is told the same.

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "gtest/gtest.h"
#include "tests/simulation/chaos_simulation.h"
#include "tests/simulation/simulated_model.h"

namespace perennial {
namespace {

// A reader's own end says nothing of the session, unless the turn has ended before.
bool MayBeTheTurns(const TurnResult& result) {
  const std::optional<ErrorReason> reason = ReasonOf(result.status);
  return result.turn > 0 && result.memory.window_tokens > 0 && reason != ErrorReason::kBeyondReplay &&
         reason != ErrorReason::kQueueFull;
}

// A reader may have been cut off for this from a turn that had ended otherwise.
bool MayBeTheReaders(const absl::Status& status) {
  const std::optional<ErrorReason> reason = ReasonOf(status);
  return absl::IsCancelled(status) || absl::IsDeadlineExceeded(status) || reason == ErrorReason::kSlowReader ||
         reason == ErrorReason::kShuttingDown;
}

}  // namespace

void ChaosSimulation::OnEvent(Follower& follower, const TurnEvent& event) {
  const bool numbered =
      !std::holds_alternative<TurnHeartbeat>(event.event) && !std::holds_alternative<TurnState>(event.event);
  if (numbered) follower.last_progress = driver_->passes();
  const bool known = follower.story != nullptr;
  if (const auto* state = std::get_if<TurnState>(&event.event)) {
    OnState(*state);
    if (state->turn > 0) Recognise(follower, state->session_id, state->turn);
  } else if (const auto* queued = std::get_if<TurnQueued>(&event.event)) {
    EXPECT_FALSE(follower.started) << "queued after it started";
    EXPECT_NE(queued->position, follower.position) << "it was told already";
    EXPECT_TRUE(mixed_ || follower.position < 0 || queued->position < follower.position) << "it was overtaken";
    follower.position = queued->position;
  } else if (const auto* started = std::get_if<TurnStarted>(&event.event)) {
    follower.started = true;
    Recognise(follower, started->session_id, started->turn);
    follower.story->prompt_tokens = started->prompt_tokens;
  }
  if (known && numbered) follower.story->Tell(event);
}

void ChaosSimulation::OnState(const TurnState& state) {
  if (state.oldest_sequence > 1 || state.phase == TurnPhase::kEnded) tally_.Count("replayed turn");
  EXPECT_TRUE(state.turn == 0 || state.phase != TurnPhase::kWaiting);
  EXPECT_TRUE(state.turn > 0 || state.phase != TurnPhase::kRunning);
  EXPECT_LE(state.oldest_sequence, state.newest_sequence);
}

void ChaosSimulation::Recognise(Follower& follower, const std::string& session_id, int64_t turn) {
  if (follower.story == nullptr) {
    std::shared_ptr<TurnStory>& story = stories_[{session_id, turn}];
    if (story == nullptr) {
      story = std::make_shared<TurnStory>();
      story->request = follower.request();
      story->session_id = session_id;
      story->turn = turn;
      BeginStory(story);
    }
    EXPECT_EQ(story->request, follower.request()) << "a client was given another one's turn";
    follower.story = story;
    if (follower.kind() != Follower::Kind::kAttached) {
      EXPECT_EQ(story->fingerprint.value_or(follower.fingerprint), follower.fingerprint)
          << "two requests with one id were taken for one";
      story->fingerprint = follower.fingerprint;
    }
    for (const TurnEvent& event : follower.TakeUntold()) story->Tell(event);
  }
  EXPECT_EQ(follower.story->session_id, session_id);
  EXPECT_EQ(follower.story->turn, turn);
}

void ChaosSimulation::BeginStory(const std::shared_ptr<TurnStory>& story) {
  TurnRequest& request = *story->request;
  for (const std::shared_ptr<TurnStory>& earlier : request.stories) {
    const bool forgotten = earlier->left_no_trace() || clock_.Now() >= earlier->ended + options_.request_id_ttl;
    const bool said_something = earlier->end.has_value() || !earlier->text().empty();
    EXPECT_TRUE(forgotten || !said_something)
        << "turns " << earlier->turn << " and " << story->turn << " were generated for one request";
  }
  request.stories.push_back(story);
  story->ended = request.submitted;
  if (request.spec.ephemeral.has_value()) {
    if (!request.session->id.empty()) {
      // The session of the turn before ended with it.
      request.session = std::make_shared<KnownSession>();
      request.session->spec = *request.spec.ephemeral;
      request.session->truth.Begin(MakeOracle(request.session->spec), /*last_turn=*/0);
    }
    request.session->id = story->session_id;
  }
  EXPECT_EQ(story->session_id, request.session->id) << "a turn in another session";
  for (const std::shared_ptr<Follower>& other : followers_) {
    if (other->story == nullptr || other->story->session_id != story->session_id) continue;
    if (other->story->turn >= story->turn || other->finished()) continue;
    // One that has just come to a turn that has ended is told after this one is admitted.
    EXPECT_TRUE(!other->reads() || other->reading_since + 1 >= driver_->passes())
        << "turns " << other->story->turn << " and " << story->turn << " hold one session";
  }
  request.session->last_turn = std::max(request.session->last_turn, story->turn);
  request.session->truth.AddTurn(story);
}

void ChaosSimulation::OnEnd(Follower& follower, const TurnResult& result) {
  --follower.request()->following;
  if (const std::optional<ErrorReason> reason = ReasonOf(result.status)) tally_.Count(ErrorReasonName(*reason));
  if (!MayBeTheTurns(result)) return OnOwnEnd(follower, result);
  Recognise(follower, result.session_id, result.turn);
  // One that reads is told everything at once.
  const bool up_to_date = follower.reads() && follower.reading_since + 1 < driver_->passes();
  if (!up_to_date && MayBeTheReaders(result.status)) return;
  TurnStory& story = *follower.story;
  if (!story.TellEnd(result)) return;
  if (up_to_date) story.ended = clock_.Now();
  OnTurnEnd(story);
}

void ChaosSimulation::OnOwnEnd(const Follower& follower, const TurnResult& result) {
  const bool submitted = follower.kind() != Follower::Kind::kAttached;
  EXPECT_TRUE(submitted || !result.status.ok() || follower.story == nullptr) << ToText(result);
  if (submitted && !follower.started) tally_.Count("not admitted");
  if (ReasonOf(result.status) == ErrorReason::kSessionNotFound) Forget(follower.request()->session);
}

void ChaosSimulation::OnTurnEnd(const TurnStory& story) {
  const TurnResult& end = *story.end;
  const SessionMemory& memory = end.memory;
  EXPECT_LE(memory.visible_tokens, memory.sink_tokens + memory.window_tokens);
  EXPECT_LE(memory.note_tokens, story.request->session->spec.shape.note_tokens);
  EXPECT_GE(memory.horizon_token, memory.sink_tokens);
  fed_ += end.usage.fed_tokens;
  generated_ += end.usage.generated_tokens;
  evicted_ += end.usage.evicted_tokens;
  const bool by_itself = EndedByItself(end);
  const bool kept = end.usage.generated_tokens > 0 || by_itself;
  const bool cancelled = end.status.ok() && end.reason == FinishReason::kCancelled;
  tally_.Count(by_itself ? "OK" : !kept ? "undone" : cancelled ? "cancelled" : end.status.ok() ? "budget" : "cut");
  const bool failed = ReasonOf(end.status) == ErrorReason::kModelFailure;
  if (kept && !failed) {
    const int64_t unfed = memory.stream_tokens - memory.visible_tokens - memory.forgotten_tokens;
    EXPECT_GE(unfed, 2) << "its end is not yet fed";
    EXPECT_LE(unfed, 3);
  }
  const std::shared_ptr<KnownSession> session = story.request->session;
  const int64_t checked = session->truth.turns_checked();
  session->truth.Settle();
  tally_.Count("checked turns", session->truth.turns_checked() - checked);
  tally_.Count("ended turns");
  if (failed) Forget(session);
}

void ChaosSimulation::Forget(const std::shared_ptr<KnownSession>& session) { std::erase(sessions_, session); }

}  // namespace perennial
