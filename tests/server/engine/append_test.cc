// Turns without a reply: messages that are fed with the replies they had.

#include <string>
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

class AppendTest : public EngineFixture {
 protected:
  AppendTest() {
    fake_.before_step = [this](absl::Span<const StepInput> batch) {
      for (const StepInput& input : batch) fed_.insert(fed_.end(), input.tokens.begin(), input.tokens.end());
    };
  }

  // A question and the answer to it.
  TurnSpec Append(const std::string& session, absl::string_view question, absl::string_view answer) const {
    TurnSpec spec = Turn(session, question);
    const std::vector<TokenId> tokens = TokensOf(answer);
    spec.message.tokens.insert(spec.message.tokens.end(), tokens.begin(), tokens.end());
    spec.reply = false;
    return spec;
  }

  std::vector<TokenId> fed_;
};

TEST_F(AppendTest, LeavesTheStreamThatAConversationWouldHaveLeft) {
  fake_.script = RepliesOfLength(kStart, 2, {'x'}, kEndToken);
  const std::string session = CreateSession();
  RecordingTurnSink sink;
  const TurnResult result = Run(Append(session, "a", "xx"), sink);
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.reason, FinishReason::kEndOfTurn);
  EXPECT_EQ(result.turn, 1);
  EXPECT_EQ(result.usage.prompt_tokens, 4);
  EXPECT_EQ(result.usage.readable_prompt_tokens, 4);
  EXPECT_EQ(result.usage.fed_tokens, 5);
  EXPECT_EQ(result.usage.generated_tokens, 0);
  EXPECT_THAT(sink.EventsOf<TurnDelta>(), IsEmpty());
  EXPECT_EQ(runner().counters().logit_rows, 0);
  Say(session, "b");
  const std::vector<TokenId> appended = std::exchange(fed_, {});
  const std::string talked = CreateSession();
  Say(talked, "a");
  Say(talked, "b");
  EXPECT_EQ(fed_, appended);
  EXPECT_EQ(GetSession(session)->turns, 2);
  EXPECT_EQ(GetSession(session)->memory.stream_tokens, GetSession(talked)->memory.stream_tokens);
}

TEST_F(AppendTest, IsReadByLaterTurnsAsTheOracleReadsIt) {
  options_.prefill_chunk_tokens = 9;
  const std::string session = CreateSession();
  StreamOracle oracle(fake_.script, Spec(), end_tokens_, reply_end_);
  for (const size_t length : {3u, 150u, 20u}) {
    const TurnSpec append = Append(session, std::string(length, 'q'), std::string(length, 'r'));
    RecordingTurnSink appended, said;
    EXPECT_EQ(Run(append, appended).usage.readable_prompt_tokens,
              length == 150 ? 60 : static_cast<int64_t>(2 * length + 1));
    oracle.Say(append);
    const TurnSpec turn = Turn(session, "and now?", 20);
    Run(turn, said);
    EXPECT_EQ(said.text(), oracle.Say(turn).text) << length;
    EXPECT_EQ(said.result().memory.stream_tokens, oracle.stream_tokens());
  }
}

TEST_F(AppendTest, TheFirstTurnFeedsItsVariant) {
  SessionSpec spec = Spec();
  spec.first_turn = FirstTurn::kOpens;
  const std::string session = TryCreateSession(spec)->id;
  TurnSpec append = Append(session, "u", "r");
  append.message.tokens_if_first = TokensOf("first");
  RecordingTurnSink sink;
  EXPECT_EQ(Run(append, sink).usage.prompt_tokens, 5);
  EXPECT_THAT(fed_, ElementsAre(kBos, 'f', 'i', 'r', 's', 't'));
}

TEST_F(AppendTest, IsUndoneIfItIsCancelledBeforeItsEnd) {
  options_.prefill_chunk_tokens = 2;
  const std::string session = CreateSession();
  RecordingTurnSink sink, waiting;
  const std::shared_ptr<TurnTicket> ticket = engine().Submit(Append(session, "question", "answer"), &sink);
  engine().Submit(Turn(session, "b", 1), &waiting);
  RunOnce();
  ticket->Leave();
  RunUntilIdle();
  EXPECT_TRUE(absl::IsCancelled(sink.result().status));
  EXPECT_EQ(sink.result().memory.stream_tokens, 1);
  EXPECT_TRUE(waiting.result().status.ok());
  EXPECT_EQ(waiting.result().usage.fed_tokens, 3) << "the opening and its own";
}

TEST_F(AppendTest, TellsWhatItPushedOut) {
  options_.evict_notice_tokens = 8;
  const std::string session = CreateSession();
  Say(session, "first", 3);
  RecordingTurnSink sink;
  const TurnResult result = Run(Append(session, std::string(100, 'q'), "r"), sink);
  EXPECT_GT(result.usage.evicted_tokens, 0);
  EXPECT_THAT(sink.EventsOf<TurnWillEvict>(), SizeIs(1));
  ASSERT_THAT(sink.EventsOf<TurnEvicted>(), SizeIs(1));
  EXPECT_EQ(engine().Stats().evicted_tokens, result.usage.evicted_tokens);
  EXPECT_EQ(engine().Stats().generated_tokens, 3);
}

}  // namespace
}  // namespace perennial
