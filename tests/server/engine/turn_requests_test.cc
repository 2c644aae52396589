// Turns that outlive their readers: who follows, who cancels.

#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/engine/turn_requests_fixture.h"

namespace perennial {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using TurnRequestsTest = TurnRequestsFixture;

// ---- Turns go on without their client. ----

TEST_F(TurnRequestsTest, ATurnThatLosesItsClientGoesOnAndIsReplayedWithoutALostOrDoubledCharacter) {
  const std::string session = CreateSession();
  const std::string twin = CreateSession();
  const std::string undisturbed = Say(twin, "hi", 30);
  RecordingTurnSink first;
  const std::shared_ptr<TurnTicket> ticket = Submit(Named(session, "r", 30), first);
  for (int i = 0; i < 10; ++i) RunOnce();
  Leave(ticket);
  EXPECT_TRUE(absl::IsCancelled(first.result().status));
  EXPECT_EQ(engine().Stats().detached_turns, 1);
  for (int i = 0; i < 5; ++i) RunOnce();
  // It has all events but the last three.
  const auto received = static_cast<int64_t>(first.events().size()) - 3;
  RecordingTurnSink back(received + 1);
  Attach(session, 1, back, received + 1);
  RunUntilIdle();
  EXPECT_TRUE(back.result().status.ok());
  EXPECT_EQ(back.EventsOf<TurnState>()[0].phase, TurnPhase::kRunning);
  EXPECT_GT(back.EventsOf<TurnState>()[0].generated_tokens, 10);
  EXPECT_EQ(first.text().substr(0, first.text().size() - 3) + back.text(), undisturbed);
  EXPECT_EQ(back.result().usage.generated_tokens, 30);
  EXPECT_EQ(engine().Stats().turns_finished, 2);
  EXPECT_EQ(engine().Stats().detached_turns, 0);
}

TEST_F(TurnRequestsTest, SeveralReadersFollowOneTurn) {
  const std::string session = CreateSession();
  RecordingTurnSink starter, early, late;
  Submit(Named(session, "r", 20), starter);
  Attach(session, 1, early);  // in the same pass: the turn is there by then
  for (int i = 0; i < 5; ++i) RunOnce();
  AttachTo(session, "r", late);
  RunUntilIdle();
  for (const RecordingTurnSink* reader : {&early, &late}) {
    EXPECT_TRUE(reader->result().status.ok());
    EXPECT_EQ(reader->text(), starter.text());
    EXPECT_EQ(reader->result().sequence, starter.result().sequence);
  }
  EXPECT_EQ(engine().Stats().turns_started, 1);
}

TEST_F(TurnRequestsTest, WithNobodyAttachedATurnPausesWhenTheBufferIsFullAndGoesOnWhenSomebodyIs) {
  options_.replay_bytes = 4096;
  const std::string session = CreateSession();
  RecordingTurnSink first;
  TurnSpec spec = Named(session, "r", 1000);
  const std::shared_ptr<TurnTicket> ticket = Submit(spec, first);
  RunOnce();
  Leave(ticket);
  RunUntilIdle();  // nothing to do: the engine would sleep
  EXPECT_EQ(engine().Stats().paused_turns, 1);
  EXPECT_LE(engine().Stats().replay_bytes, 4096);
  EXPECT_EQ(engine().NextWakeTime(), clock_.Now() + options_.detach_timeout);
  RecordingTurnSink back;
  Attach(session, 1, back);
  RunUntilIdle();
  EXPECT_TRUE(back.result().status.ok());
  EXPECT_THAT(back.text(), SizeIs(1000));
}

TEST_F(TurnRequestsTest, ADetachedTurnEndsAfterTheDetachTimeout) {
  options_.replay_bytes = 4096;
  const std::string session = CreateSession();
  RecordingTurnSink first, late;
  const std::shared_ptr<TurnTicket> ticket = Submit(Named(session, "r", 1000), first);
  RunOnce();
  Leave(ticket);
  RunUntilIdle();
  clock_.Advance(options_.detach_timeout);
  RunUntilIdle();
  EXPECT_EQ(engine().Stats().turns_cancelled, 1);
  EXPECT_EQ(engine().Stats().running_turns, 0);
  AttachTo(session, "r", late);
  RunOnce();
  EXPECT_TRUE(absl::IsCancelled(late.result().status));
  EXPECT_THAT(late.result().status.message(), HasSubstr("nobody has followed"));
  EXPECT_FALSE(late.text().empty());
  EXPECT_EQ(Say(session, "again", 3).size(), 3u) << "the session is as good as ever";
}

TEST_F(TurnRequestsTest, ACallsDeadlineOnlyDetachesATurnThatGoesOn) {
  const std::string session = CreateSession();
  TurnSpec spec = Named(session, "r", 1000);
  spec.deadline = clock_.Now() + absl::Seconds(5);
  RecordingTurnSink first;
  Submit(spec, first);
  RunOnce();
  clock_.Advance(absl::Seconds(5));
  RunOnce();
  EXPECT_TRUE(absl::IsDeadlineExceeded(first.result().status));
  EXPECT_EQ(engine().Stats().running_turns, 1);
  engine().Stop();
}

TEST_F(TurnRequestsTest, AWaitingTurnOutlivesItsClientToo) {
  const std::string session = CreateSession();
  RecordingTurnSink running, waiting, back;
  Submit(Turn(session, "a", 20), running);
  const std::shared_ptr<TurnTicket> ticket = Submit(Named(session, "r", 3), waiting);
  RunOnce();
  Leave(ticket);
  EXPECT_EQ(engine().Stats().waiting_turns, 1);
  AttachTo(session, "r", back);
  RunOnce();
  EXPECT_EQ(back.EventsOf<TurnState>()[0].phase, TurnPhase::kWaiting);
  EXPECT_EQ(back.EventsOf<TurnState>()[0].session_id, session);
  RunUntilIdle();
  EXPECT_EQ(back.result().turn, 2);
  EXPECT_THAT(back.text(), SizeIs(3));
}

TEST_F(TurnRequestsTest, GoingOnNeedsARequestId) {
  TurnSpec spec = Turn(CreateSession(), "a");
  spec.on_disconnect = OnDisconnect::kContinue;
  RecordingTurnSink sink;
  Run(spec, sink);
  EXPECT_EQ(ReasonOf(sink.result().status), ErrorReason::kInvalidField);
}

// ---- Attach finds what is there, and says what is not. ----

TEST_F(TurnRequestsTest, ATurnWithoutARequestIdCanBeReplayedUntilTheNextBegins) {
  const std::string session = CreateSession();
  const std::string reply = Say(session, "hi", 5);
  RecordingTurnSink replay, gone;
  Attach(session, 1, replay);
  RunOnce();
  EXPECT_EQ(replay.text(), reply);
  EXPECT_TRUE(replay.result().status.ok());
  EXPECT_EQ(replay.EventsOf<TurnState>()[0].phase, TurnPhase::kEnded);
  Say(session, "more", 1);
  Attach(session, 1, gone);
  RunOnce();
  EXPECT_EQ(ReasonOf(gone.result().status), ErrorReason::kBeyondReplay);
  EXPECT_THAT(gone.result().status.message(), HasSubstr("turn: 1 has ended and is no longer kept"));
}

TEST_F(TurnRequestsTest, RefusesToFollowWhatIsNotThere) {
  const std::string session = CreateSession();
  struct Case {
    AttachSpec spec;
    ErrorReason reason;
  };
  const Case cases[] = {
      {{.turn = {.session_id = session, .turn = 1}}, ErrorReason::kBeyondReplay},
      {{.turn = {.session_id = session, .request_id = "x"}}, ErrorReason::kBeyondReplay},
      {{.turn = {.session_id = "", .request_id = "x"}}, ErrorReason::kBeyondReplay},
      {{.turn = {.session_id = "0123", .turn = 1}}, ErrorReason::kSessionNotFound},
      {{.turn = {.session_id = "0123", .request_id = "x"}}, ErrorReason::kSessionNotFound},
      {{.turn = {.session_id = session}}, ErrorReason::kInvalidField},
      {{.turn = {.session_id = session, .turn = -1}}, ErrorReason::kInvalidField},
      {{.turn = {.session_id = "", .turn = 1}}, ErrorReason::kInvalidField},
      {{.turn = {.session_id = session, .turn = 1, .request_id = "x"}}, ErrorReason::kInvalidField},
      {{.turn = {.session_id = session, .turn = 1}, .from_sequence = 0}, ErrorReason::kInvalidField},
  };
  for (const Case& c : cases) {
    RecordingTurnSink sink;
    engine().Attach(c.spec, &sink);
    RunOnce();
    EXPECT_EQ(ReasonOf(sink.result().status), c.reason) << sink.result().status;
    EXPECT_THAT(sink.events(), IsEmpty());
  }
}

TEST_F(TurnRequestsTest, AReaderThatLeavesBeforeItsTurnComesGetsItsEnd) {
  const std::string session = CreateSession();
  Say(session, "hi", 2);
  RecordingTurnSink sink;
  Attach(session, 1, sink)->Leave();
  RunOnce();
  EXPECT_TRUE(absl::IsCancelled(sink.result().status));
}

// ---- Cancel and interrupt. ----

TEST_F(TurnRequestsTest, CancelTurnFinishesATurnAtItsNextTokenWithItsPartialReply) {
  const std::string session = CreateSession();
  RecordingTurnSink sink;
  Submit(Turn(session, "a", 1000), sink);
  for (int i = 0; i < 5; ++i) RunOnce();
  EXPECT_EQ(*CancelTurn({.session_id = session, .turn = 1}), 1);
  ASSERT_TRUE(sink.finished());
  EXPECT_TRUE(sink.result().status.ok());
  EXPECT_EQ(sink.result().reason, FinishReason::kCancelled);
  EXPECT_EQ(sink.result().usage.generated_tokens, 5);
  EXPECT_EQ(GetSession(session)->turns, 1);
  EXPECT_EQ(*CancelTurn({.session_id = session, .turn = 1}), 0) << "it has ended";
  EXPECT_EQ(*CancelTurn({.session_id = session, .turn = 9}), 0);
  EXPECT_EQ(*CancelTurn({.session_id = session}), 0);
  EXPECT_EQ(ReasonOf(CancelTurn({.session_id = "0123"}).status()), ErrorReason::kSessionNotFound);
  EXPECT_EQ(ReasonOf(CancelTurn({}).status()), ErrorReason::kInvalidField);
  EXPECT_EQ(engine().Stats().turns_cancelled, 1);
  EXPECT_EQ(engine().Stats().turns_finished, 0);
}

TEST_F(TurnRequestsTest, CancelTurnBeforeTheFirstTokenUndoesAndStillUsesUpTheRequestId) {
  options_.prefill_chunk_tokens = 1;
  const std::string session = CreateSession();
  RecordingTurnSink sink, retry;
  Submit(Named(session, "r", 1000), sink);
  RunOnce();
  EXPECT_EQ(*CancelTurn({.session_id = session, .request_id = "r"}), 1);
  EXPECT_EQ(sink.result().reason, FinishReason::kCancelled);
  EXPECT_EQ(sink.result().usage.generated_tokens, 0);
  EXPECT_EQ(GetSession(session)->turns, 0);
  Submit(Named(session, "r", 1000), retry);
  RunUntilIdle();
  EXPECT_EQ(retry.result().reason, FinishReason::kCancelled) << "cancelled for good";
}

TEST_F(TurnRequestsTest, CancelTurnWithoutATurnEndsAllOfTheSession) {
  const std::string session = CreateSession();
  const std::string other = CreateSession();
  RecordingTurnSink running, waiting, arriving, others;
  Submit(Turn(session, "a", 1000), running);
  Submit(Turn(other, "a", 1000), others);
  RunOnce();
  Submit(Turn(session, "b", 1000), waiting);
  RunOnce();
  Submit(Turn(session, "c", 1000), arriving);
  EXPECT_EQ(*CancelTurn({.session_id = session}), 3);
  for (const RecordingTurnSink* sink : {&running, &waiting, &arriving}) {
    EXPECT_TRUE(sink->result().status.ok());
    EXPECT_EQ(sink->result().reason, FinishReason::kCancelled);
  }
  EXPECT_EQ(waiting.result().turn, 0);
  EXPECT_EQ(arriving.result().usage.generated_tokens, 0);
  EXPECT_EQ(GetSession(session)->state, SessionState::kIdle);
  EXPECT_FALSE(others.finished());
  engine().Stop();
}

TEST_F(TurnRequestsTest, CancelTurnEndsATurnThatNobodyFollows) {
  const std::string session = CreateSession();
  RecordingTurnSink sink;
  const std::shared_ptr<TurnTicket> ticket = Submit(Named(session, "r", 1000), sink);
  RunOnce();
  Leave(ticket);
  EXPECT_EQ(*CancelTurn({.session_id = session, .request_id = "r"}), 1);
  EXPECT_EQ(GetSession(session)->state, SessionState::kIdle);
}

TEST_F(TurnRequestsTest, CancelTurnOfASessionlessTurnThatIsJustComing) {
  TurnSpec spec = Named("", "r", 1000);
  spec.ephemeral = Spec();
  RecordingTurnSink sink;
  Submit(spec, sink);
  EXPECT_EQ(*CancelTurn({.session_id = "", .request_id = "r"}), 1);
  EXPECT_EQ(sink.result().reason, FinishReason::kCancelled);
  EXPECT_EQ(engine().Stats().sessions, 0);
}

TEST_F(TurnRequestsTest, AnInterruptEndsTheSessionsOtherTurnsAndRunsNext) {
  options_.max_turns_per_session = 1;
  const std::string session = CreateSession();
  RecordingTurnSink running, waiting, interrupting;
  Submit(Turn(session, "a", 1000), running);
  RunOnce();
  Submit(Turn(session, "b", 1000), waiting);
  RunOnce();
  TurnSpec spec = Turn(session, "c", 3);
  spec.if_busy = IfBusy::kInterrupt;
  Submit(spec, interrupting);
  RunUntilIdle();
  EXPECT_EQ(running.result().reason, FinishReason::kCancelled);
  EXPECT_GT(running.result().usage.generated_tokens, 0);
  EXPECT_EQ(waiting.result().reason, FinishReason::kCancelled);
  EXPECT_EQ(waiting.result().turn, 0);
  EXPECT_EQ(interrupting.result().turn, 2);
  EXPECT_THAT(interrupting.text(), SizeIs(3));
}

TEST_F(TurnRequestsTest, AnInterruptThatHasNoRoomItselfDisturbsNobody) {
  options_.max_running_turns = 1;
  options_.max_waiting_turns = 1;
  const std::string session = CreateSession();
  RecordingTurnSink running, waiting, interrupting;
  Submit(Turn(session, "a", 1000), running);
  RunOnce();
  Submit(Turn(CreateSession(), "b", 1000), waiting);
  RunOnce();
  TurnSpec spec = Turn(session, "c", 3);
  spec.if_busy = IfBusy::kInterrupt;
  Submit(spec, interrupting);
  RunOnce();
  RunOnce();
  EXPECT_EQ(ReasonOf(interrupting.result().status), ErrorReason::kQueueFull);
  EXPECT_FALSE(running.finished());
  EXPECT_FALSE(waiting.finished());
  engine().Stop();
}

TEST_F(TurnRequestsTest, AnInterruptThatTheSessionsBudgetRefusesDisturbsNobody) {
  options_.max_running_turns = 1;
  SessionSpec budgeted = Spec();
  budgeted.budget.generated_tokens = 3;
  const std::string session = TryCreateSession(budgeted)->id;
  RecordingTurnSink used, other, append, interrupting;
  Submit(Turn(session, "a", 10), used);
  RunUntilIdle();
  EXPECT_EQ(used.result().reason, FinishReason::kSessionBudget);
  Submit(Turn(CreateSession(), "b", 1000), other);
  RunOnce();
  TurnSpec waiting = Turn(session, "c");
  waiting.reply = false;
  Submit(waiting, append);
  RunOnce();
  TurnSpec spec = Turn(session, "d", 3);
  spec.if_busy = IfBusy::kInterrupt;
  Submit(spec, interrupting);
  RunOnce();
  EXPECT_EQ(interrupting.result().reason, FinishReason::kSessionBudget);
  EXPECT_FALSE(append.finished());
  engine().Stop();
}

TEST_F(TurnRequestsTest, ADeletedSessionlessTurnIsNotReplayed) {
  TurnSpec spec = Named("", "r", 1000);
  spec.ephemeral = Spec();
  RecordingTurnSink sink, later;
  Submit(spec, sink);
  while (sink.text().empty()) RunOnce();
  EXPECT_TRUE(DeleteSession(sink.EventsOf<TurnStarted>().front().session_id).ok());
  RunUntilIdle();
  AttachTo("", "r", later);
  RunUntilIdle();
  EXPECT_EQ(ReasonOf(later.result().status), ErrorReason::kBeyondReplay);
}

// ---- The end of the engine. ----

TEST_F(TurnRequestsTest, ADrainWaitsForReadersUpToItsDeadline) {
  const std::string session = CreateSession();
  RecordingTurnSink sink, replay;
  Submit(Named(session, "r", 3), sink);
  RunUntilIdle();
  replay.SetReady(false);
  Attach(session, 1, replay);
  RunOnce();
  bool drained = false;
  engine().Drain(clock_.Now() + absl::Seconds(10), [&] { drained = true; });
  RunUntilIdle();
  EXPECT_FALSE(drained);
  EXPECT_EQ(engine().NextWakeTime(), clock_.Now() + absl::Seconds(10));
  clock_.Advance(absl::Seconds(10));
  RunUntilIdle();
  EXPECT_TRUE(drained);
  EXPECT_EQ(ReasonOf(replay.result().status), ErrorReason::kShuttingDown);
}

TEST_F(TurnRequestsTest, StopEndsEveryReader) {
  const std::string session = CreateSession();
  RecordingTurnSink detached, running, waiting_reader, slow;
  Submit(Named(session, "a", 1000), running);
  RunOnce();
  slow.SetReady(false);
  Attach(session, 1, slow);
  RunOnce();
  Attach(session, 1, waiting_reader);  // not yet taken
  engine().Stop();
  for (const RecordingTurnSink* sink : {&running, &slow, &waiting_reader}) {
    EXPECT_EQ(ReasonOf(sink->result().status), ErrorReason::kShuttingDown);
  }
  RecordingTurnSink after;
  Attach(session, 1, after);
  EXPECT_EQ(ReasonOf(after.result().status), ErrorReason::kShuttingDown);
}

}  // namespace
}  // namespace perennial
