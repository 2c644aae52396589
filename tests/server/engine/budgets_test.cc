// Budgets and repetition: the pure functions, and what becomes of turns and sessions whose budget ends.

#include "server/engine/budgets.h"

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/error.h"
#include "tests/server/engine/engine_fixture.h"

namespace perennial {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(BudgetsTest, NoLimitBecomesTheServers) {
  const EngineOptions unlimited;
  EXPECT_EQ(LimitedMaxTime(absl::InfiniteDuration(), unlimited), absl::InfiniteDuration());
  EXPECT_EQ(LimitedBudget({}, unlimited), SessionBudget());
  const EngineOptions limited = {.max_session_tokens = 100, .max_turn_time = absl::Minutes(1)};
  EXPECT_EQ(LimitedMaxTime(absl::InfiniteDuration(), limited), absl::Minutes(1));
  EXPECT_EQ(LimitedMaxTime(absl::Seconds(1), limited), absl::Seconds(1));
  EXPECT_EQ(LimitedBudget({}, limited).generated_tokens, 100);
  EXPECT_EQ(LimitedBudget({.generated_tokens = 7, .time = absl::Hours(1)}, limited),
            (SessionBudget{.generated_tokens = 7, .time = absl::Hours(1)}));
}

TEST(BudgetsTest, NamesWhatIsOutOfRange) {
  const EngineOptions limited = {.max_session_tokens = 100, .max_turn_time = absl::Minutes(1)};
  const auto message_of = [](const absl::Status& status) {
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidField);
    return std::string(status.message());
  };
  EXPECT_TRUE(CheckMaxTime(absl::Minutes(1), limited).ok());
  EXPECT_TRUE(CheckMaxTime(absl::InfiniteDuration(), limited).ok());
  EXPECT_TRUE(CheckMaxTime(absl::Hours(1000), {}).ok());
  EXPECT_THAT(message_of(CheckMaxTime(absl::ZeroDuration(), {})), HasSubstr("max_time: 0 must be more than 0"));
  EXPECT_THAT(message_of(CheckMaxTime(absl::Seconds(61), limited)), HasSubstr("max_time: 1m1s is more than 1m"));
  EXPECT_TRUE(CheckBudget({}, limited).ok());
  EXPECT_TRUE(CheckBudget({.generated_tokens = 100, .time = absl::Hours(9)}, limited).ok());
  EXPECT_TRUE(CheckBudget({.generated_tokens = 101, .time = {}}, {}).ok());
  EXPECT_THAT(message_of(CheckBudget({.generated_tokens = 101, .time = {}}, limited)),
              HasSubstr("101 is not in [0, 100]"));
  EXPECT_THAT(message_of(CheckBudget({.generated_tokens = -1, .time = {}}, {})), HasSubstr("-1 is not 0 or more"));
  EXPECT_THAT(message_of(CheckBudget({.generated_tokens = 0, .time = -absl::Seconds(1)}, {})),
              HasSubstr("budget.time: -1s"));
}

TEST(BudgetsTest, TheTimeThatEndsFirstCounts) {
  const absl::Time now = absl::FromUnixSeconds(100);
  EXPECT_EQ(TimeEndOf(now, TurnSpec(), {}, {}).at, absl::InfiniteFuture());
  TurnSpec spec;
  spec.max_time = absl::Seconds(5);
  const TimeEnd turn = TimeEndOf(now, spec, {.generated_tokens = 0, .time = absl::Seconds(9)}, {});
  EXPECT_EQ(turn.at, now + absl::Seconds(5));
  EXPECT_EQ(turn.reason, FinishReason::kTurnBudget);
  const TimeEnd session = TimeEndOf(now, spec, {.generated_tokens = 0, .time = absl::Seconds(9)},
                                    {.generated_tokens = 0, .time = absl::Seconds(6)});
  EXPECT_EQ(session.at, now + absl::Seconds(3));
  EXPECT_EQ(session.reason, FinishReason::kSessionBudget);
}

class BudgetTurnsTest : public EngineFixture {
 protected:
  BudgetTurnsTest() {
    fake_.script = [](const FakeSight& sight) { return static_cast<TokenId>('a' + sight.index % 26); };
  }

  std::string CreateSessionWith(SessionBudget budget) {
    SessionSpec spec = Spec();
    spec.budget = budget;
    const absl::StatusOr<SessionSummary> session = TryCreateSession(std::move(spec));
    EXPECT_TRUE(session.ok()) << session.status();
    return session->id;
  }
  TurnSpec Endless(const std::string& session) const {
    TurnSpec spec = Turn(session, "hi", /*max_tokens=*/0);
    spec.ignore_end_of_turn = true;
    spec.on_repetition = OnRepetition::kIgnore;
    return spec;
  }
};

TEST_F(BudgetTurnsTest, ATurnEndsWhenItsTimeHasPassed) {
  const std::string session = CreateSession();
  TurnSpec spec = Endless(session);
  spec.max_time = absl::Seconds(10);
  RecordingTurnSink sink;
  engine().Submit(spec, &sink);
  RunOnce();
  EXPECT_LE(engine().NextWakeTime(), clock_.Now() + absl::Seconds(10));
  clock_.Advance(absl::Seconds(9));
  RunOnce();
  EXPECT_FALSE(sink.finished());
  clock_.Advance(absl::Seconds(1));
  RunOnce();
  EXPECT_TRUE(sink.result().status.ok());
  EXPECT_EQ(sink.result().reason, FinishReason::kTurnBudget);
  EXPECT_EQ(sink.result().usage.generated_tokens, 2);
  EXPECT_EQ(sink.text().size(), 2u);
  EXPECT_EQ(Say(session, "more", 3).size(), 3u) << "the session is as after every reply";
  EXPECT_EQ(engine().Stats().turns_finished, 2);
}

TEST_F(BudgetTurnsTest, TimeCountsWhileTheClientDoesNotRead) {
  options_.slow_reader_timeout = absl::Hours(1);
  TurnSpec spec = Endless(CreateSession());
  spec.max_time = absl::Seconds(10);
  RecordingTurnSink sink;
  engine().Submit(spec, &sink);
  RunOnce();
  sink.SetReady(false);
  RunUntilIdle();
  EXPECT_FALSE(sink.finished());
  clock_.Advance(absl::Seconds(10));
  RunOnce();
  EXPECT_EQ(engine().Stats().running_turns, 0);
  sink.SetReady(true);
  RunOnce();
  EXPECT_EQ(sink.result().reason, FinishReason::kTurnBudget);
}

TEST_F(BudgetTurnsTest, ATurnThatPausesIsToldAllOfItsReply) {
  options_.slow_reader_timeout = absl::Hours(1);
  fake_.script = [](const FakeSight&) { return TokenId{'a'}; };
  TurnSpec spec = Endless(CreateSession());
  spec.max_time = absl::Seconds(10);
  spec.stop_strings = {"ab"};
  RecordingTurnSink sink;
  engine().Submit(spec, &sink);
  for (int i = 0; i < 3; ++i) RunOnce();
  EXPECT_EQ(sink.text(), "aa") << "one more is held back: it may begin the stop string";
  sink.SetReady(false);
  clock_.Advance(absl::Seconds(10));
  RunOnce();
  sink.SetReady(true);
  RunOnce();
  EXPECT_EQ(sink.result().usage.generated_tokens, 3);
  EXPECT_EQ(sink.text(), "aaa");
}

TEST_F(BudgetTurnsTest, BeforeItsFirstTokenATurnIsUndone) {
  options_.prefill_chunk_tokens = 1;
  options_.max_step_tokens = 1;
  const std::string session = CreateSession();
  TurnSpec spec = Turn(session, "a long prompt");
  spec.max_time = absl::Seconds(1);
  RecordingTurnSink sink;
  engine().Submit(spec, &sink);
  RunOnce();
  clock_.Advance(absl::Seconds(1));
  RunOnce();
  EXPECT_EQ(sink.result().reason, FinishReason::kTurnBudget);
  EXPECT_EQ(sink.result().usage.generated_tokens, 0);
  EXPECT_EQ(sink.text(), "");
  EXPECT_EQ(GetSession(session)->memory.stream_tokens, 1) << "the opening";
}

TEST_F(BudgetTurnsTest, ASessionsTokensAreThoseOfAllItsTurns) {
  const std::string session = CreateSessionWith({.generated_tokens = 5, .time = {}});
  EXPECT_EQ(Say(session, "first", 3).size(), 3u);
  EXPECT_EQ(GetSession(session)->used.generated_tokens, 3);
  RecordingTurnSink second, waiting, later;
  engine().Submit(Turn(session, "second", 10), &second);
  engine().Submit(Turn(session, "waits", 10), &waiting);
  RunUntilIdle();
  EXPECT_TRUE(second.result().status.ok());
  EXPECT_EQ(second.result().reason, FinishReason::kSessionBudget);
  EXPECT_EQ(second.result().usage.generated_tokens, 2);
  const int64_t stream_tokens = GetSession(session)->memory.stream_tokens;
  engine().Submit(Turn(session, "later", 10), &later);
  RunUntilIdle();
  for (const RecordingTurnSink* sink : {&waiting, &later}) {
    EXPECT_TRUE(sink->result().status.ok());
    EXPECT_EQ(sink->result().reason, FinishReason::kSessionBudget);
    EXPECT_EQ(sink->result().turn, 0);
    EXPECT_EQ(sink->result().usage.fed_tokens, 0);
    EXPECT_THAT(sink->EventsOf<TurnStarted>(), IsEmpty());
  }
  const SessionSummary summary = *GetSession(session);
  EXPECT_EQ(summary.memory.stream_tokens, stream_tokens) << "nothing of the later turns is in the stream";
  EXPECT_EQ(summary.state, SessionState::kIdle);
  EXPECT_EQ(summary.used.generated_tokens, 5);
  EXPECT_EQ(summary.budget.generated_tokens, 5);
  EXPECT_EQ(engine().Stats().turns_rejected, 2);
}

TEST_F(BudgetTurnsTest, ASessionsTimeIsThatOfItsTurns) {
  const std::string session = CreateSessionWith({.generated_tokens = 0, .time = absl::Seconds(10)});
  RecordingTurnSink first, second, third;
  engine().Submit(Turn(session, "first", 2), &first);
  RunOnce();
  clock_.Advance(absl::Seconds(6));
  RunUntilIdle();
  EXPECT_EQ(first.result().reason, FinishReason::kMaxTokens);
  clock_.Advance(absl::Minutes(1));  // does not count
  EXPECT_EQ(GetSession(session)->used.time, absl::Seconds(6));
  engine().Submit(Endless(session), &second);
  RunOnce();
  clock_.Advance(absl::Seconds(4));
  RunOnce();
  EXPECT_EQ(second.result().reason, FinishReason::kSessionBudget);
  EXPECT_EQ(Run(Turn(session, "third"), third).turn, 0);
  EXPECT_EQ(third.result().reason, FinishReason::kSessionBudget);
}

TEST_F(BudgetTurnsTest, TheServersLimitHoldsForEverySession) {
  options_.max_session_tokens = 4;
  options_.max_turn_time = absl::Seconds(10);
  const std::string session = CreateSession();
  EXPECT_EQ(GetSession(session)->budget.generated_tokens, 4);
  RecordingTurnSink sink, ephemeral;
  EXPECT_EQ(Run(Endless(session), sink).reason, FinishReason::kSessionBudget);
  EXPECT_EQ(sink.text().size(), 4u);
  TurnSpec spec = Endless("");
  spec.ephemeral = Spec();
  EXPECT_EQ(Run(spec, ephemeral).reason, FinishReason::kSessionBudget);
  EXPECT_EQ(ephemeral.result().usage.generated_tokens, 4);
}

TEST_F(BudgetTurnsTest, MessagesWithoutAReplyAreTakenWhenTheBudgetIsUsedUp) {
  const std::string session = CreateSessionWith({.generated_tokens = 3, .time = {}});
  EXPECT_EQ(Say(session, "all of it", 3).size(), 3u);
  TurnSpec spec = Turn(session, "by the way");
  spec.reply = false;
  RecordingTurnSink sink;
  EXPECT_EQ(Run(spec, sink).turn, 2);
  EXPECT_TRUE(sink.result().status.ok());
  EXPECT_EQ(sink.result().reason, FinishReason::kEndOfTurn);
}

TEST_F(BudgetTurnsTest, RepetitionIsIgnoredReportedOrTheEnd) {
  fake_.script = [](const FakeSight& sight) { return static_cast<TokenId>('a' + sight.index % 4); };
  const Repetition expected = {.period_tokens = 4, .times = 32, .exact = true, .after_tokens = 128};
  for (const OnRepetition action : {OnRepetition::kIgnore, OnRepetition::kReport, OnRepetition::kFinish}) {
    TurnSpec spec = Turn(CreateSession(), "go on", 300);
    spec.on_repetition = action;
    RecordingTurnSink sink;
    const TurnResult result = Run(spec, sink);
    EXPECT_TRUE(result.status.ok());
    const bool ends = action == OnRepetition::kFinish;
    EXPECT_EQ(result.reason, ends ? FinishReason::kRepetition : FinishReason::kMaxTokens);
    EXPECT_EQ(result.usage.generated_tokens, ends ? 128 : 300);
    EXPECT_EQ(sink.text().size(), ends ? 128u : 300u);
    EXPECT_EQ(result.repetition, action == OnRepetition::kIgnore ? std::nullopt : std::make_optional(expected));
  }
}

}  // namespace
}  // namespace perennial
