// Reap and Admit: who runs, who waits, who is refused, and what ends a turn from outside.

#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/engine/engine_fixture.h"

namespace perennial {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class TurnPhasesTest : public EngineFixture {
 protected:
  TurnPhasesTest() {
    fake_.script = [](const FakeSight&) { return TokenId{'x'}; };  // replies never end by themselves
  }

  std::shared_ptr<TurnTicket> Submit(TurnSpec spec, RecordingTurnSink& sink) {
    return engine().Submit(std::move(spec), &sink);
  }
  absl::Status Refusal(TurnSpec spec) {
    RecordingTurnSink sink;
    Submit(std::move(spec), sink);
    RunOnce();
    EXPECT_EQ(sink.result().turn, 0) << "it was admitted";
    EXPECT_THAT(sink.events(), IsEmpty());
    return sink.result().status;
  }
};

TEST_F(TurnPhasesTest, RunsOneTurnOfASessionAtATimeInOrder) {
  const std::string session = CreateSession();
  RecordingTurnSink first, second, third;
  std::vector<int> ends;
  first.on_finish = [&](const TurnResult&) { ends.push_back(1); };
  second.on_finish = [&](const TurnResult&) { ends.push_back(2); };
  third.on_finish = [&](const TurnResult&) { ends.push_back(3); };
  Submit(Turn(session, "a", 3), first);
  Submit(Turn(session, "b", 3), second);
  Submit(Turn(session, "c", 3), third);
  RunOnce();
  EXPECT_EQ(engine().Stats().running_turns, 1);
  EXPECT_EQ(engine().Stats().waiting_turns, 2);
  EXPECT_EQ(third.EventsOf<TurnQueued>()[0].position, 1);
  RunUntilIdle();
  EXPECT_THAT(ends, ElementsAre(1, 2, 3));
  EXPECT_EQ(third.result().turn, 3);
}

TEST_F(TurnPhasesTest, RunsAtMostMaxRunningTurns) {
  options_.max_running_turns = 2;
  std::list<RecordingTurnSink> sinks;
  for (int i = 0; i < 5; ++i) Submit(Turn(CreateSession(), "a", 4), sinks.emplace_back());
  for (int pass = 0; pass < 20; ++pass) {
    RunOnce();
    EXPECT_LE(engine().Stats().running_turns, 2);
  }
  for (const RecordingTurnSink& sink : sinks) EXPECT_TRUE(sink.result().status.ok());
  EXPECT_EQ(runner().counters().largest_batch, 2);
}

TEST_F(TurnPhasesTest, RefusesWhatTheQueueDoesNotHold) {
  options_.max_running_turns = 1;
  options_.max_waiting_turns = 3;
  options_.max_turns_per_session = 2;
  const std::string session = CreateSession();
  const std::string other = CreateSession();
  std::list<RecordingTurnSink> sinks;
  // The first of them runs at once and takes no place in the queue.
  for (int i = 0; i < 3; ++i) Submit(Turn(session, "a"), sinks.emplace_back());
  RunOnce();
  const absl::Status status = Refusal(Turn(session, "a"));
  EXPECT_EQ(ReasonOf(status), ErrorReason::kQueueFull);
  EXPECT_EQ(RetryAfterOf(status), options_.retry_after);
  Submit(Turn(other, "a"), sinks.emplace_back());
  RunOnce();
  EXPECT_EQ(ReasonOf(Refusal(Turn(other, "a"))), ErrorReason::kQueueFull);
  TurnSpec ephemeral = Turn("", "a");
  ephemeral.ephemeral = Spec();
  EXPECT_EQ(ReasonOf(Refusal(ephemeral)), ErrorReason::kQueueFull);
  EXPECT_EQ(engine().Stats().sessions, 2) << "it made no session";
  EXPECT_EQ(engine().Stats().turns_rejected, 3);
  engine().Stop();  // before its sinks go
}

TEST_F(TurnPhasesTest, RefusesABusySessionOnlyToWhoAskedNotToWait) {
  const std::string session = CreateSession();
  TurnSpec impatient = Turn(session, "a", 3);
  impatient.if_busy = IfBusy::kReject;
  RecordingTurnSink running, patient;
  const std::shared_ptr<TurnTicket> ticket = Submit(impatient, running);
  RunOnce();
  EXPECT_EQ(ReasonOf(Refusal(impatient)), ErrorReason::kTurnInProgress);
  Submit(Turn(session, "b", 1), patient);
  RunUntilIdle();
  EXPECT_TRUE(running.result().status.ok());
  EXPECT_TRUE(patient.result().status.ok());
}

TEST_F(TurnPhasesTest, RefusesATurnWhoseCallerHasNotSeenTheLastOne) {
  const std::string session = CreateSession();
  TurnSpec spec = Turn(session, "a", 3);
  spec.expected_turn = 0;
  // Both know the same last turn: the one that comes second is told so, at the latest when it would be admitted.
  RecordingTurnSink first, second;
  Submit(spec, first);
  Submit(spec, second);
  RunUntilIdle();
  EXPECT_TRUE(first.result().status.ok());
  EXPECT_EQ(ReasonOf(second.result().status), ErrorReason::kStaleTurn);
  EXPECT_EQ(second.result().turn, 0);
  EXPECT_EQ(ReasonOf(Refusal(spec)), ErrorReason::kStaleTurn);
  spec.expected_turn = 1;
  RecordingTurnSink third;
  EXPECT_EQ(Run(spec, third).turn, 2);
}

TEST_F(TurnPhasesTest, TwoCallersWhoWaitForTheSameTurnDoNotBothGetTheNext) {
  const std::string session = CreateSession();
  RecordingTurnSink running, one_tab, other_tab;
  Submit(Turn(session, "a", 3), running);
  RunOnce();
  TurnSpec spec = Turn(session, "b", 3);
  spec.expected_turn = 1;
  Submit(spec, one_tab);
  Submit(spec, other_tab);
  RunUntilIdle();
  EXPECT_EQ(one_tab.result().turn, 2);
  EXPECT_EQ(ReasonOf(other_tab.result().status), ErrorReason::kStaleTurn);
  EXPECT_THAT(other_tab.EventsOf<TurnQueued>(), SizeIs(2)) << "it waited";
}

TEST_F(TurnPhasesTest, TakesAMessageThatIsCancelledAndSentAgainAtOnce) {
  const std::string session = CreateSession();
  TurnSpec spec = Turn(session, "a", 3);
  spec.if_busy = IfBusy::kReject;
  RecordingTurnSink cancelled, again;
  const std::shared_ptr<TurnTicket> ticket = Submit(spec, cancelled);
  RunOnce();
  ticket->Leave();
  Submit(spec, again);  // before the engine has seen the cancel
  RunUntilIdle();
  EXPECT_TRUE(absl::IsCancelled(cancelled.result().status));
  EXPECT_TRUE(again.result().status.ok()) << again.result().status;
}

TEST_F(TurnPhasesTest, RefusesUnknownSessionsAndBadFields) {
  EXPECT_EQ(ReasonOf(Refusal(Turn("0123", "a"))), ErrorReason::kSessionNotFound);
  TurnSpec bad = Turn(CreateSession(), "a");
  bad.sampling.top_p = 7;
  EXPECT_EQ(ReasonOf(Refusal(bad)), ErrorReason::kInvalidField);
  EXPECT_EQ(engine().Stats().turns_rejected, 2);
}

TEST_F(TurnPhasesTest, CancelsAWaitingTurn) {
  const std::string session = CreateSession();
  RecordingTurnSink running, waiting;
  Submit(Turn(session, "a"), running);
  const std::shared_ptr<TurnTicket> ticket = Submit(Turn(session, "b"), waiting);
  RunOnce();
  ticket->Leave();
  RunOnce();
  EXPECT_TRUE(absl::IsCancelled(waiting.result().status));
  EXPECT_EQ(waiting.result().turn, 0);
  EXPECT_FALSE(running.finished());
  engine().Stop();  // before its sinks go
}

TEST_F(TurnPhasesTest, EndsTurnsAtTheirDeadline) {
  const std::string session = CreateSession();
  RecordingTurnSink running, waiting, late;
  TurnSpec spec = Turn(session, "a", 1000);
  spec.deadline = clock_.Now() + absl::Seconds(10);
  Submit(spec, running);
  spec.deadline = clock_.Now() + absl::Seconds(5);
  Submit(spec, waiting);
  RunOnce();
  EXPECT_EQ(engine().NextWakeTime(), spec.deadline);
  clock_.Advance(absl::Seconds(5));
  RunOnce();
  EXPECT_TRUE(absl::IsDeadlineExceeded(waiting.result().status));
  EXPECT_FALSE(running.finished());
  clock_.Advance(absl::Seconds(5));
  Submit(spec, late);
  RunUntilIdle();
  EXPECT_TRUE(absl::IsDeadlineExceeded(running.result().status));
  EXPECT_EQ(running.result().usage.generated_tokens, 2);
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.result().status));
  EXPECT_EQ(engine().Stats().turns_cancelled, 3);
}

TEST_F(TurnPhasesTest, ForgetsIdleSessions) {
  const std::string session = CreateSession();
  EXPECT_EQ(engine().NextWakeTime(), clock_.Now() + absl::Hours(1));
  clock_.Advance(absl::Minutes(59));
  Say(session, "a", 3);
  clock_.Advance(absl::Minutes(59));
  EXPECT_TRUE(GetSession(session).ok()) << "its idle time starts with its last turn";
  clock_.Advance(absl::Minutes(1));
  RunOnce();
  EXPECT_EQ(ReasonOf(GetSession(session).status()), ErrorReason::kSessionNotFound);
  EXPECT_EQ(engine().Stats().sessions_expired, 1);
  EXPECT_EQ(runner().counters().live_caches, 0);
}

TEST_F(TurnPhasesTest, NeverForgetsABusySession) {
  const std::string session = CreateSession();
  RecordingTurnSink sink;
  Submit(Turn(session, "a", 100), sink);
  RunOnce();
  clock_.Advance(absl::Hours(10));
  RunOnce();
  EXPECT_EQ(GetSession(session)->state, SessionState::kRunning);
  engine().Stop();  // before its sinks go
}

TEST_F(TurnPhasesTest, DeletesAnEphemeralSessionWithItsTurn) {
  TurnSpec spec = Turn("", "a", 3);
  spec.ephemeral = Spec();
  RecordingTurnSink sink, cancelled, queued;
  sink.on_finish = [&](const TurnResult&) { EXPECT_EQ(runner().counters().live_caches, 0) << "it is gone by then"; };
  const TurnResult result = Run(spec, sink);
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.session_id, sink.EventsOf<TurnStarted>()[0].session_id);
  EXPECT_EQ(ReasonOf(GetSession(result.session_id).status()), ErrorReason::kSessionNotFound);

  spec.max_tokens = 1000;
  const std::shared_ptr<TurnTicket> ticket = Submit(spec, cancelled);
  RunOnce();
  const std::string id = cancelled.EventsOf<TurnStarted>()[0].session_id;
  EXPECT_EQ(ReasonOf(Refusal(Turn(id, "mine too"))), ErrorReason::kSessionNotFound);
  ticket->Leave();
  RunUntilIdle();
  EXPECT_EQ(engine().Stats().sessions, 0);
  EXPECT_EQ(engine().Stats().sessions_deleted, 2);
}

TEST_F(TurnPhasesTest, GivesBackAnEphemeralSessionThatNeverRan) {
  options_.max_running_turns = 1;
  RecordingTurnSink running, waiting;
  Submit(Turn(CreateSession(), "a"), running);
  TurnSpec spec = Turn("", "a", 3);
  spec.ephemeral = Spec();
  const std::shared_ptr<TurnTicket> ticket = Submit(spec, waiting);
  RunOnce();
  EXPECT_EQ(engine().Stats().sessions, 2);
  ticket->Leave();
  RunOnce();
  EXPECT_EQ(engine().Stats().sessions, 1);
  EXPECT_TRUE(absl::IsCancelled(waiting.result().status));
  engine().Stop();  // before its sinks go
}

TEST_F(TurnPhasesTest, RefusesAnEphemeralSessionWithoutAFreeCache) {
  fake_.cache_memory_bytes = shape_.capacity() * FakeModelRunner::kRowBytes;
  CreateSession();
  TurnSpec spec = Turn("", "a", 3);
  spec.ephemeral = Spec();
  EXPECT_EQ(ReasonOf(Refusal(spec)), ErrorReason::kNoFreeCache);
}

TEST_F(TurnPhasesTest, CancelsWhatADeletedSessionHas) {
  const std::string session = CreateSession();
  RecordingTurnSink running, waiting, after;
  Submit(Turn(session, "a"), running);
  Submit(Turn(session, "b"), waiting);
  RunOnce();
  absl::StatusOr<SessionSummary> last = absl::UnknownError("");
  engine().DeleteSession(session, [&](absl::StatusOr<SessionSummary> answer) { last = std::move(answer); });
  Submit(Turn(session, "c"), after);
  RunOnce();
  EXPECT_TRUE(absl::IsCancelled(running.result().status));
  EXPECT_TRUE(absl::IsCancelled(waiting.result().status));
  EXPECT_EQ(ReasonOf(after.result().status), ErrorReason::kSessionNotFound);
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(last->id, session);
  EXPECT_EQ(last->turns, 1);
  EXPECT_EQ(runner().counters().live_caches, 0);
  EXPECT_EQ(ReasonOf(DeleteSession(session).status()), ErrorReason::kSessionNotFound);
}

TEST_F(TurnPhasesTest, DoesNotScheduleAClientThatDoesNotRead) {
  const std::string slow = CreateSession();
  const std::string quick = CreateSession();
  RecordingTurnSink slow_sink, quick_sink;
  Submit(Turn(slow, "a", 1000), slow_sink);
  RunOnce();
  slow_sink.SetReady(false);
  const int64_t generated = static_cast<int64_t>(slow_sink.text().size());
  Submit(Turn(quick, "a", 20), quick_sink);
  RunUntilIdle();  // nothing to do though a turn runs: the engine would sleep
  EXPECT_TRUE(quick_sink.result().status.ok()) << "nobody else is delayed";
  EXPECT_EQ(static_cast<int64_t>(slow_sink.text().size()), generated);
  EXPECT_EQ(engine().Stats().paused_turns, 1);
  EXPECT_EQ(engine().NextWakeTime(), clock_.Now() + options_.slow_reader_timeout);
  slow_sink.SetReady(true);
  engine().Wake();
  RunOnce();
  EXPECT_EQ(static_cast<int64_t>(slow_sink.text().size()), generated + 1);
  engine().Stop();  // before its sinks go
}

TEST_F(TurnPhasesTest, EndsTheTurnOfAClientThatDoesNotReadForTooLong) {
  const std::string session = CreateSession();
  RecordingTurnSink sink;
  Submit(Turn(session, "a", 1000), sink);
  for (int i = 0; i < 3; ++i) RunOnce();
  sink.SetReady(false);
  RunUntilIdle();
  clock_.Advance(options_.slow_reader_timeout);
  RunOnce();
  EXPECT_EQ(ReasonOf(sink.result().status), ErrorReason::kSlowReader);
  EXPECT_EQ(sink.result().usage.generated_tokens, 3);
  EXPECT_EQ(sink.result().memory.stream_tokens, 1 + 2 + 3 + 2) << "the partial reply stays and is closed";
  EXPECT_THAT(sink.EventsOf<TurnHeartbeat>(), IsEmpty());
  EXPECT_EQ(Say(session, "b", 3), "xxx") << "the session is as good as ever";
}

TEST_F(TurnPhasesTest, SendsHeartbeatsIntoSilence) {
  fake_.script = [](const FakeSight&) { return TokenId{200}; };  // a token without text
  options_.prefill_chunk_tokens = 10;
  const std::string session = CreateSession();
  RecordingTurnSink sink;
  Submit(Turn(session, std::string(98, 'p'), 1000), sink);  // with BOS and start: 100 tokens
  RunOnce();
  RunOnce();
  clock_.Advance(options_.heartbeat_interval - absl::Nanoseconds(1));
  RunOnce();
  EXPECT_THAT(sink.EventsOf<TurnHeartbeat>(), IsEmpty());
  clock_.Advance(absl::Nanoseconds(1));
  RunOnce();
  ASSERT_THAT(sink.EventsOf<TurnHeartbeat>(), SizeIs(1));
  EXPECT_EQ(sink.EventsOf<TurnHeartbeat>()[0].prompt_tokens_fed, 30);
  EXPECT_EQ(sink.EventsOf<TurnHeartbeat>()[0].prompt_tokens, 100);
  for (int i = 0; i < 20; ++i) RunOnce();
  clock_.Advance(options_.heartbeat_interval);
  RunOnce();
  ASSERT_THAT(sink.EventsOf<TurnHeartbeat>(), SizeIs(2));
  EXPECT_EQ(sink.EventsOf<TurnHeartbeat>()[1].prompt_tokens_fed, 100);
  EXPECT_EQ(sink.events().back().sequence, 1) << "the number of `started`, the last event";
  engine().Stop();  // before its sinks go
}

TEST_F(TurnPhasesTest, DrainsAtTokenBoundaries) {
  const std::string session = CreateSession();
  const std::string other = CreateSession();
  RecordingTurnSink short_turn, long_turn, waiting;
  Submit(Turn(session, "a", 3), short_turn);
  Submit(Turn(other, "a", 1000), long_turn);
  Submit(Turn(session, "b", 3), waiting);
  RunOnce();
  int drained = 0;
  engine().Drain(clock_.Now() + absl::Seconds(30), [&] { ++drained; });
  RunOnce();
  EXPECT_EQ(ReasonOf(waiting.result().status), ErrorReason::kShuttingDown);
  EXPECT_EQ(RetryAfterOf(waiting.result().status), options_.retry_after);
  ASSERT_THAT(long_turn.EventsOf<TurnGoAway>(), SizeIs(1));
  EXPECT_EQ(long_turn.EventsOf<TurnGoAway>()[0].time_left, absl::Seconds(30));
  EXPECT_EQ(ReasonOf(Refusal(Turn(session, "c"))), ErrorReason::kShuttingDown);
  EXPECT_EQ(ReasonOf(TryCreateSession(Spec()).status()), ErrorReason::kShuttingDown);
  EXPECT_TRUE(GetSession(session).ok()) << "what exists can still be read";
  EXPECT_TRUE(short_turn.result().status.ok()) << "a running turn may finish";
  EXPECT_TRUE(engine().Stats().draining);

  engine().Drain(clock_.Now() + absl::Seconds(60), nullptr);  // later: changes nothing
  RunOnce();
  EXPECT_THAT(long_turn.EventsOf<TurnGoAway>(), SizeIs(1));
  engine().Drain(clock_.Now() + absl::Seconds(10), [&] { ++drained; });
  RunOnce();
  EXPECT_EQ(long_turn.EventsOf<TurnGoAway>()[1].time_left, absl::Seconds(10));
  EXPECT_EQ(drained, 0);
  clock_.Advance(absl::Seconds(10));
  RunUntilIdle();
  EXPECT_EQ(ReasonOf(long_turn.result().status), ErrorReason::kShuttingDown);
  EXPECT_EQ(drained, 2);
  EXPECT_EQ(GetSession(other)->memory.stream_tokens, 1 + 2 + long_turn.result().usage.generated_tokens + 2)
      << "cut and closed";
}

TEST_F(TurnPhasesTest, AnswersADrainWithoutTurnsAtOnce) {
  bool drained = false;
  engine().Drain(clock_.Now() + absl::Hours(1), [&] { drained = true; });
  RunOnce();
  EXPECT_TRUE(drained);
}

}  // namespace
}  // namespace perennial
