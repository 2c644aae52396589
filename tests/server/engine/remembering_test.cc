// What a client is told of what its session remembers: before a turn is forgotten, when it is, and how much of a
// message could be read.

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/engine/engine_fixture.h"

namespace perennial {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class RememberingTest : public EngineFixture {
 protected:
  RememberingTest() {
    fake_.script = RepliesOfLength(kStart, 3, {'x'}, kEndToken);
    options_.evict_notice_tokens = 10;
  }
};

TEST_F(RememberingTest, AClientIsToldBeforeATurnBeginsToBeForgotten) {
  for (const EvictionPolicy policy : {EvictionPolicy::kTokenWise, EvictionPolicy::kTurnWise}) {
    SessionSpec spec = Spec();
    spec.eviction = policy;
    const std::string session = TryCreateSession(spec)->id;
    std::set<int64_t> announced;
    int64_t forgotten_turns = 0;
    for (int turn = 1; turn <= 60; ++turn) {
      RecordingTurnSink sink;
      // A turn now and then is longer than the notice.
      const TurnResult result = Run(Turn(session, turn % 7 == 0 ? "a long message of 28 letters" : "a"), sink);
      for (const TurnEvent& event : sink.events()) {
        if (const auto* notice = std::get_if<TurnWillEvict>(&event.event)) {
          EXPECT_GE(notice->in_tokens, 1);
          for (int64_t told = notice->first_turn; told <= notice->last_turn; ++told) {
            EXPECT_TRUE(announced.insert(told).second) << "turn " << told << " was announced twice";
          }
        } else if (const auto* evicted = std::get_if<TurnEvicted>(&event.event)) {
          for (int64_t gone = evicted->first_turn; gone <= evicted->last_turn; ++gone) {
            EXPECT_TRUE(announced.contains(gone)) << "turn " << gone << " went without a word";
          }
          EXPECT_EQ(evicted->reason, EvictionReason::kWindowFull);
          EXPECT_EQ(evicted->memory.horizon_token, evicted->end_token);
          forgotten_turns = evicted->last_turn;
        }
      }
      EXPECT_LE(result.memory.window_tokens_used, result.memory.window_tokens);
      EXPECT_EQ(result.memory.window_tokens_used + shape_.sink_tokens, result.memory.visible_tokens);
    }
    EXPECT_GT(forgotten_turns, 30);
  }
}

TEST_F(RememberingTest, NobodyIsToldBeforehandIfTheServerIsToldSo) {
  options_.evict_notice_tokens = 0;
  const std::string session = CreateSession();
  RecordingTurnSink sink;
  Run(Turn(session, std::string(200, 'm')), sink);
  EXPECT_THAT(sink.EventsOf<TurnWillEvict>(), IsEmpty());
}

TEST_F(RememberingTest, ALongPromptIsToldOfBeforeItIsFed) {
  const std::string session = CreateSession();
  Say(session, "a");
  int64_t steps = 0;
  RecordingTurnSink sink;
  sink.on_event = [&](const TurnEvent& event) {
    if (std::holds_alternative<TurnWillEvict>(event.event)) steps = runner().counters().steps;
  };
  const int64_t before = runner().counters().steps;
  Run(Turn(session, std::string(200, 'm')), sink);
  ASSERT_THAT(sink.EventsOf<TurnWillEvict>(), SizeIs(1));
  EXPECT_EQ(steps, before) << "nothing of the prompt had been fed";
  const TurnWillEvict notice = sink.EventsOf<TurnWillEvict>()[0];
  EXPECT_EQ(notice.first_turn, 1);
  EXPECT_EQ(notice.last_turn, 2) << "and the message's own beginning";
  // Six tokens are in the cache of 4 + 60; the 59th from now takes the first windowed one's place.
  EXPECT_EQ(notice.in_tokens, 59);
}

TEST_F(RememberingTest, AnUndoneTurnIsAnnouncedAgain) {
  options_.prefill_chunk_tokens = 4;
  const std::string session = CreateSession();
  Say(session, "a");
  RecordingTurnSink undone, again;
  const std::shared_ptr<TurnTicket> ticket = engine().Submit(Turn(session, std::string(200, 'm')), &undone);
  RunOnce();
  ticket->Leave();
  RunUntilIdle();
  EXPECT_THAT(undone.EventsOf<TurnWillEvict>(), SizeIs(1));
  EXPECT_THAT(undone.EventsOf<TurnEvicted>(), IsEmpty());
  Run(Turn(session, std::string(200, 'm')), again);
  EXPECT_THAT(again.EventsOf<TurnWillEvict>(), SizeIs(1));
}

TEST_F(RememberingTest, SaysWhenAnUndoneTurnHasOverwrittenOthers) {
  options_.prefill_chunk_tokens = 16;
  const std::string session = CreateSession();
  Say(session, "a");
  Say(session, "b");
  RecordingTurnSink undone;
  const std::shared_ptr<TurnTicket> ticket = engine().Submit(Turn(session, std::string(200, 'm')), &undone);
  for (int pass = 0; pass < 5; ++pass) RunOnce();
  ticket->Leave();
  RunUntilIdle();
  ASSERT_THAT(undone.EventsOf<TurnEvicted>(), SizeIs(1));
  const TurnEvicted evicted = undone.EventsOf<TurnEvicted>()[0];
  EXPECT_EQ(evicted.reason, EvictionReason::kUndoneTurn);
  EXPECT_EQ(evicted.memory.horizon_token, undone.result().memory.horizon_token);
  EXPECT_EQ(evicted.memory.stream_tokens, undone.result().memory.stream_tokens);
}

TEST_F(RememberingTest, UsageTellsWhatOfAMessageCouldBeRead) {
  const std::string session = CreateSession();  // BOS; 4 sinks, 60 windowed
  RecordingTurnSink first, second, third;
  TurnUsage usage = Run(Turn(session, std::string(99, 'm')), first).usage;
  EXPECT_EQ(usage.prompt_tokens, 100);
  EXPECT_EQ(usage.readable_prompt_tokens, 3 + 60) << "its first three tokens are sinks";
  EXPECT_EQ(usage.reused_tokens, 0);
  usage = Run(Turn(session, "hello"), second).usage;
  EXPECT_EQ(usage.prompt_tokens, 6);
  EXPECT_EQ(usage.readable_prompt_tokens, 6);
  EXPECT_EQ(usage.reused_tokens, 64);
  usage = Run(Turn(session, std::string(99, 'm')), third).usage;
  EXPECT_EQ(usage.readable_prompt_tokens, 60);
}

TEST_F(RememberingTest, AMessageLongerThanTheWindowIsRefusedOnRequest) {
  const std::string session = CreateSession();
  TurnSpec spec = Turn(session, std::string(60, 'm'));
  spec.refuse_long_message = true;
  RecordingTurnSink refused, ephemeral, accepted, fits;
  TurnResult result = Run(spec, refused);
  EXPECT_EQ(ReasonOf(result.status), ErrorReason::kInvalidField);
  EXPECT_EQ(result.status.message(), "long_message: the message has 61 tokens, more than the session's window of 60");
  EXPECT_EQ(result.turn, 0);
  spec.session_id.clear();
  spec.ephemeral = Spec();
  EXPECT_THAT(std::string(Run(spec, ephemeral).status.message()), HasSubstr("61 tokens"));
  EXPECT_EQ(engine().Stats().sessions, 1);
  spec = Turn(session, std::string(60, 'm'));
  EXPECT_TRUE(Run(spec, accepted).status.ok());
  spec = Turn(session, std::string(59, 'm'));
  spec.refuse_long_message = true;
  EXPECT_TRUE(Run(spec, fits).status.ok());
}

}  // namespace
}  // namespace perennial
