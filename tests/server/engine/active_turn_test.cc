// One turn in its session: what it feeds, samples, says, and what it leaves behind. Through the engine, against the
// oracle where text is concerned.

#include "server/engine/active_turn.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/server/engine/stream_oracle.h"

namespace perennial {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class ActiveTurnTest : public EngineFixture {
 protected:
  ActiveTurnTest() {
    // Keeps every token that is run, in order: what the stream really was.
    fake_.before_step = [this](absl::Span<const StepInput> batch) {
      for (const StepInput& input : batch) fed_.insert(fed_.end(), input.tokens.begin(), input.tokens.end());
    };
    fake_.script = RepliesOfLength(kStart, 3, {'x'}, kEndToken);
  }

  StreamOracle Oracle(std::vector<TokenId> opening = {kBos}) const {
    return StreamOracle(fake_.script, Spec(std::move(opening)), end_tokens_, reply_end_);
  }

  std::vector<TokenId> fed_;
};

TEST_F(ActiveTurnTest, FeedsTheOpeningOnceAndClosesEveryReply) {
  const std::string session = CreateSession({kBos, 's'});
  EXPECT_EQ(Say(session, "a"), "xxx");
  EXPECT_EQ(Say(session, "b"), "xxx");
  // The end token that was sampled is not fed: the template's end of reply stands in its place. BOS comes once.
  EXPECT_THAT(fed_, ElementsAre(kBos, 's', 'a', kStart, 'x', 'x', 'x', kTurnEnd, kNewline, 'b', kStart, 'x', 'x', 'x'));
}

TEST_F(ActiveTurnTest, FeedsTheLastTokenOfACutReply) {
  const std::string session = CreateSession();
  RecordingTurnSink sink;
  EXPECT_EQ(Run(Turn(session, "a", /*max_tokens=*/2), sink).reason, FinishReason::kMaxTokens);
  EXPECT_EQ(sink.text(), "xx");
  EXPECT_THAT(fed_, ElementsAre(kBos, 'a', kStart, 'x'));  // the second x was sampled and not run
  Say(session, "b", 1);
  EXPECT_THAT(fed_, ElementsAre(kBos, 'a', kStart, 'x', 'x', kTurnEnd, kNewline, 'b', kStart));
}

TEST_F(ActiveTurnTest, EndsIfTheFirstTokenSampledIsAnEndToken) {
  fake_.script = RepliesOfLength(kStart, 0, {'x'}, kEndToken);
  const std::string session = CreateSession();
  RecordingTurnSink sink;
  const TurnResult result = Run(Turn(session, "a"), sink);
  EXPECT_EQ(result.reason, FinishReason::kEndOfTurn);
  EXPECT_EQ(result.usage.generated_tokens, 1);
  EXPECT_EQ(sink.text(), "");
  EXPECT_THAT(sink.EventsOf<TurnDelta>(), IsEmpty());
  fed_.clear();
  Say(session, "b");
  EXPECT_THAT(fed_, ElementsAre(kTurnEnd, kNewline, 'b', kStart));
}

TEST_F(ActiveTurnTest, TheOpeningSaysWhichVariantTheFirstTurnFeeds) {
  for (const auto& [first_turn, fed] : {std::pair(FirstTurn::kUsual, 'u'), std::pair(FirstTurn::kOpens, 'o'),
                                        std::pair(FirstTurn::kOpensAfterSystem, 's')}) {
    SessionSpec spec = Spec();
    spec.first_turn = first_turn;
    const absl::StatusOr<SessionSummary> session = TryCreateSession(spec);
    ASSERT_TRUE(session.ok()) << session.status();
    TurnSpec turn = Turn(session->id, "u", 1);
    turn.message.tokens_if_first = TokensOf("o");
    turn.message.tokens_if_first_after_system = TokensOf("s");
    fed_.clear();
    RecordingTurnSink first, second;
    EXPECT_EQ(Run(turn, first).usage.prompt_tokens, first_turn == FirstTurn::kUsual ? 2 : 1);
    ASSERT_THAT(fed_, SizeIs(testing::Ge(2u)));
    EXPECT_EQ(fed_[0], kBos);
    EXPECT_EQ(fed_[1], fed);
    fed_.clear();
    EXPECT_EQ(Run(turn, second).usage.prompt_tokens, 2);
    EXPECT_THAT(fed_, testing::IsSupersetOf({TokenId{'u'}, kStart})) << "a later turn is usual";
  }
}

TEST_F(ActiveTurnTest, AnEphemeralSessionsFirstTurnFollowsItsOpening) {
  TurnSpec turn = Turn("", "u", 1);
  turn.ephemeral = Spec();
  turn.ephemeral->first_turn = FirstTurn::kOpensAfterSystem;
  turn.message.tokens_if_first = TokensOf("o");
  turn.message.tokens_if_first_after_system = TokensOf("s");
  RecordingTurnSink sink;
  EXPECT_TRUE(Run(turn, sink).status.ok());
  EXPECT_THAT(fed_, ElementsAre(kBos, 's'));
}

TEST_F(ActiveTurnTest, AfterAnUndoneFirstTurnTheNextIsTheFirst) {
  options_.prefill_chunk_tokens = 2;
  SessionSpec spec = Spec();
  spec.first_turn = FirstTurn::kOpens;
  const absl::StatusOr<SessionSummary> session = TryCreateSession(spec);
  ASSERT_TRUE(session.ok()) << session.status();
  TurnSpec turn = Turn(session->id, "u", 1);
  turn.message.tokens_if_first = TokensOf("first");
  RecordingTurnSink undone, again;
  const std::shared_ptr<TurnTicket> ticket = engine().Submit(turn, &undone);
  RunOnce();
  ticket->Leave();
  RunUntilIdle();
  EXPECT_TRUE(absl::IsCancelled(undone.result().status));
  EXPECT_THAT(fed_, ElementsAre(kBos, 'f'));
  fed_.clear();
  EXPECT_EQ(Run(turn, again).turn, 2);
  EXPECT_THAT(fed_, ElementsAre(kBos, 'f', 'i', 'r', 's', 't'));
}

TEST_F(ActiveTurnTest, NeverSamplesEndTokensWhenToldSo) {
  const std::string session = CreateSession();
  TurnSpec spec = Turn(session, "a", 50);
  spec.ignore_end_of_turn = true;
  RecordingTurnSink sink;
  const TurnResult result = Run(spec, sink);
  EXPECT_EQ(result.reason, FinishReason::kMaxTokens);
  EXPECT_EQ(result.usage.generated_tokens, 50);
}

TEST_F(ActiveTurnTest, RunsUntilTheClientLeavesWithoutATokenLimit) {
  const std::string session = CreateSession();
  TurnSpec spec = Turn(session, "a", 0);
  spec.ignore_end_of_turn = true;
  RecordingTurnSink sink;
  const std::shared_ptr<TurnTicket> ticket = engine().Submit(spec, &sink);
  for (int i = 0; i < 1000; ++i) RunOnce();
  EXPECT_FALSE(sink.finished());
  ticket->Leave();
  RunUntilIdle();
  EXPECT_TRUE(absl::IsCancelled(sink.result().status));
  EXPECT_EQ(sink.result().usage.generated_tokens, 1000);
  // Constant memory: the window holds what it can and no more.
  EXPECT_EQ(sink.result().memory.visible_tokens, shape_.sink_tokens + shape_.window_tokens);
}

TEST_F(ActiveTurnTest, StopsAtAStopStringAcrossTokens) {
  fake_.script = [n = 0](const FakeSight& sight) mutable {
    (void)n;
    return static_cast<TokenId>('a' + sight.index % 5);
  };
  const std::string session = CreateSession();  // BOS, "z", start: the reply begins with index 2's 'c'
  TurnSpec spec = Turn(session, "z");
  spec.stop_strings = {"zz", "eab"};
  RecordingTurnSink sink;
  const TurnResult result = Run(spec, sink);
  EXPECT_EQ(result.reason, FinishReason::kStop);
  EXPECT_EQ(result.stop, "eab");
  EXPECT_EQ(sink.text(), "cd");
  EXPECT_EQ(result.usage.generated_tokens, 5);
  fed_.clear();
  Say(session, "b", 1);
  EXPECT_THAT(fed_, ElementsAre('b', kTurnEnd, kNewline, 'b', kStart));  // the first: sampled, stopped at, fed now
}

TEST_F(ActiveTurnTest, SendsOneDeltaPerStepWithText) {
  const std::string session = CreateSession();
  RecordingTurnSink sink;
  const TurnResult result = Run(Turn(session, "a"), sink);
  const std::vector<TurnEvent> events = sink.events();
  ASSERT_THAT(events, SizeIs(4));
  EXPECT_TRUE(std::holds_alternative<TurnStarted>(events[0].event));
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(events[static_cast<size_t>(i)].sequence, i + 1);
  for (const TurnDelta& delta : sink.EventsOf<TurnDelta>()) {
    EXPECT_EQ(delta.text, "x");
    EXPECT_EQ(delta.tokens, 1);
  }
  EXPECT_EQ(result.sequence, 5);
}

TEST_F(ActiveTurnTest, TellsWhatItStartsFrom) {
  const std::string session = CreateSession();
  Say(session, "a");
  RecordingTurnSink sink;
  Run(Turn(session, "b"), sink);
  const std::vector<TurnStarted> started = sink.EventsOf<TurnStarted>();
  ASSERT_THAT(started, SizeIs(1));
  EXPECT_EQ(started[0].session_id, session);
  EXPECT_EQ(started[0].turn, 2);
  EXPECT_EQ(started[0].prompt_tokens, 2 + 2);  // the end of the last reply; b, start
  EXPECT_EQ(started[0].memory.stream_tokens, 1 + 2 + 3 + 2);
  EXPECT_EQ(started[0].memory.visible_tokens, 1 + 2 + 3);
}

TEST_F(ActiveTurnTest, ServesAPromptLongerThanTheCache) {
  fake_.script = RepliesFrom(TokensOf("abcdef"), kEndToken, 8);
  options_.prefill_chunk_tokens = 7;
  const std::string session = CreateSession();
  StreamOracle oracle = Oracle();
  for (const size_t length : {1000u, 3u, 64u, 500u}) {
    const TurnSpec spec = Turn(session, std::string(length, 'p'));
    RecordingTurnSink sink;
    const TurnResult result = Run(spec, sink);
    EXPECT_TRUE(result.status.ok());
    EXPECT_EQ(sink.text(), oracle.Say(spec).text);
    EXPECT_EQ(result.memory.stream_tokens, oracle.stream_tokens());
    EXPECT_LE(result.memory.visible_tokens, 64);
  }
}

TEST_F(ActiveTurnTest, IsUndoneIfItEndsBeforeItsFirstToken) {
  fake_.script = nullptr;
  options_.prefill_chunk_tokens = 5;
  const std::string session = CreateSession();
  StreamOracle oracle = Oracle();
  const TurnSpec first = Turn(session, "hello", 10);
  EXPECT_EQ(Say(session, "hello", 10), oracle.Say(first).text);

  const TurnSpec undone = Turn(session, std::string(30, 'u'));
  RecordingTurnSink sink;
  const std::shared_ptr<TurnTicket> ticket = engine().Submit(undone, &sink);
  RunOnce();
  RunOnce();
  EXPECT_EQ(GetSession(session)->turns, 2);  // one more pass
  ticket->Leave();
  RunUntilIdle();
  const TurnResult result = sink.result();
  EXPECT_TRUE(absl::IsCancelled(result.status));
  EXPECT_EQ(result.turn, 2);
  EXPECT_EQ(result.usage.fed_tokens, 15);
  EXPECT_EQ(result.usage.generated_tokens, 0);
  EXPECT_EQ(result.usage.evicted_tokens, 0);  // there was room
  EXPECT_EQ(result.memory.stream_tokens, oracle.stream_tokens());
  EXPECT_EQ(GetSession(session)->turns, 1);

  oracle.Undo(undone, 15);
  RecordingTurnSink again;
  const TurnSpec next = Turn(session, "again", 20);
  EXPECT_EQ(Run(next, again).turn, 3) << "a number is not used twice";
  EXPECT_EQ(GetSession(session)->turns, 2);
  EXPECT_EQ(GetSession(session)->last_turn, 3);
  EXPECT_EQ(again.text(), oracle.Say(next).text);
}

TEST_F(ActiveTurnTest, ReportsTheRowsThatAnUndoneTurnOverwrote) {
  fake_.script = nullptr;
  options_.prefill_chunk_tokens = 5;
  for (const int steps : {1, 9, 12, 13, 14, 30}) {
    const std::string session = CreateSession();
    StreamOracle oracle = Oracle();
    const TurnSpec first = Turn(session, std::string(10, 'f'), 10);
    Say(session, std::string(10, 'f'), 10);
    oracle.Say(first);
    const SessionMemory before = GetSession(session)->memory;

    const TurnSpec undone = Turn(session, std::string(300, 'u'));
    RecordingTurnSink sink;
    const std::shared_ptr<TurnTicket> ticket = engine().Submit(undone, &sink);
    for (int i = 0; i < steps; ++i) RunOnce();
    ticket->Leave();
    RunUntilIdle();
    const TurnResult result = sink.result();
    EXPECT_EQ(result.usage.fed_tokens, 5 * steps);
    EXPECT_EQ(before.visible_tokens - result.memory.visible_tokens, result.usage.evicted_tokens);
    EXPECT_EQ(result.memory.forgotten_tokens - before.forgotten_tokens, result.usage.evicted_tokens);
    if (steps == 30) {
      EXPECT_EQ(result.memory.visible_tokens, shape_.sink_tokens);
    }
    if (steps == 1) {
      EXPECT_EQ(result.usage.evicted_tokens, 0);
    }

    oracle.Undo(undone, result.usage.fed_tokens);
    const TurnSpec next = Turn(session, "next", 30);
    EXPECT_EQ(Say(session, "next", 30), oracle.Say(next).text) << steps;
  }
}

TEST_F(ActiveTurnTest, FeedsTheOpeningAgainIfTheFirstTurnIsUndone) {
  options_.prefill_chunk_tokens = 2;
  const std::string session = CreateSession({kBos, 's', 't'});
  RecordingTurnSink sink;
  const std::shared_ptr<TurnTicket> ticket = engine().Submit(Turn(session, "abcdefgh"), &sink);
  RunOnce();
  RunOnce();
  ticket->Leave();
  RunUntilIdle();
  EXPECT_THAT(fed_, ElementsAre(kBos, 's', 't', 'a'));
  EXPECT_EQ(sink.result().memory.stream_tokens, 3);
  EXPECT_EQ(sink.result().memory.visible_tokens, 0);
  fed_.clear();
  Say(session, "b");
  EXPECT_THAT(fed_, ElementsAre(kBos, 's', 't', 'b', kStart, 'x', 'x', 'x'));
}

TEST_F(ActiveTurnTest, KeepsAndClosesAPartialReply) {
  fake_.script = nullptr;
  const std::string session = CreateSession();
  StreamOracle oracle = Oracle();
  const TurnSpec cut = Turn(session, "a", 1000);
  RecordingTurnSink sink;
  const std::shared_ptr<TurnTicket> ticket = engine().Submit(cut, &sink);
  for (int i = 0; i < 5; ++i) RunOnce();
  ticket->Leave();
  RunUntilIdle();
  EXPECT_TRUE(absl::IsCancelled(sink.result().status));
  EXPECT_EQ(sink.result().usage.generated_tokens, 5);
  EXPECT_EQ(sink.text(), oracle.Say(cut, 5).text);
  EXPECT_EQ(sink.result().memory.stream_tokens, oracle.stream_tokens());
  EXPECT_EQ(GetSession(session)->turns, 1);
  const TurnSpec next = Turn(session, "b", 30);
  EXPECT_EQ(Say(session, "b", 30), oracle.Say(next).text);
}

TEST_F(ActiveTurnTest, SendsWhatWasHeldBackWhenItIsCut) {
  fake_.script = [](const FakeSight&) { return TokenId{'e'}; };
  const std::string session = CreateSession();
  TurnSpec spec = Turn(session, "a");
  spec.stop_strings = {"eeeeeeeeee"};
  RecordingTurnSink sink;
  const std::shared_ptr<TurnTicket> ticket = engine().Submit(spec, &sink);
  for (int i = 0; i < 4; ++i) RunOnce();
  EXPECT_EQ(sink.text(), "");
  ticket->Leave();
  RunUntilIdle();
  EXPECT_EQ(sink.text(), "eeee");
  EXPECT_THAT(sink.EventsOf<TurnDelta>(), SizeIs(1));
  EXPECT_EQ(sink.EventsOf<TurnDelta>()[0].tokens, 4);
}

TEST_F(ActiveTurnTest, PenalisesTokensOfThePromptAndOfEarlierTurns) {
  fake_.script = nullptr;
  const std::string session = CreateSession();
  StreamOracle oracle = Oracle();
  for (int turn = 0; turn < 4; ++turn) {
    TurnSpec spec = Turn(session, "the same words", 40);
    spec.sampling = {.temperature = 1.5f, .top_k = 40, .repetition_penalty = 1.8f, .repetition_window = 50, .seed = 7};
    RecordingTurnSink sink;
    Run(spec, sink);
    EXPECT_EQ(sink.text(), oracle.Say(spec).text) << turn;
  }
}

TEST_F(ActiveTurnTest, TellsWhichTurnsLeaveTheWindow) {
  const std::string session = CreateSession();  // 4 sinks, 60 windowed; a turn of 2 + 3 + 2 tokens
  std::vector<TurnEvicted> evicted;
  for (int turn = 1; turn <= 40; ++turn) {
    RecordingTurnSink sink;
    const TurnResult result = Run(Turn(session, "a"), sink);
    for (const TurnEvicted& event : sink.EventsOf<TurnEvicted>()) evicted.push_back(event);
    // Turn k begins at 1 + 7 (k - 1); the horizon's turn follows from its index.
    EXPECT_EQ(result.memory.horizon_turn, (result.memory.horizon_token - 1) / 7 + 1);
    EXPECT_EQ(result.memory.forgotten_tokens, result.memory.horizon_token - 4);
  }
  ASSERT_THAT(evicted, testing::Not(IsEmpty()));
  EXPECT_EQ(evicted[0].first_token, 4);
  EXPECT_EQ(evicted[0].first_turn, 1);
  for (size_t i = 0; i < evicted.size(); ++i) {
    if (i > 0) {
      EXPECT_EQ(evicted[i].first_token, evicted[i - 1].end_token) << "nothing is told twice or left out";
    }
    EXPECT_EQ(evicted[i].first_turn, (evicted[i].first_token - 1) / 7 + 1);
    EXPECT_EQ(evicted[i].last_turn, (evicted[i].end_token - 2) / 7 + 1);
    // At a turn boundary: the first token still seen lies in a later turn than the first that went.
    EXPECT_GT((evicted[i].end_token - 1) / 7 + 1, evicted[i].first_turn);
  }
}

TEST_F(ActiveTurnTest, BeginsTheWindowAtTurnStartsWithTurnWiseEviction) {
  eviction_ = EvictionPolicy::kTurnWise;
  const std::string session = CreateSession();
  for (int turn = 1; turn <= 40; ++turn) {
    RecordingTurnSink sink;
    const SessionMemory memory = Run(Turn(session, "a"), sink).memory;
    if (memory.forgotten_tokens > 0) {
      EXPECT_EQ((memory.horizon_token - 1) % 7, 0) << "the horizon is a turn's start";
    }
  }
}

}  // namespace
}  // namespace perennial
