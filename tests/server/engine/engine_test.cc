// The engine through its interface: what a turn feeds, what it says, how it ends.

#include "server/engine/engine.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/server/engine/engine_fixture.h"

namespace perennial {
namespace {

class EngineTest : public EngineFixture {};

TEST_F(EngineTest, AnswersATurn) {
  fake_.script = RepliesOfLength(kStart, 5, TokensOf("abcdefgh"), kEndToken);
  const std::string session = CreateSession();
  RecordingTurnSink sink;
  const TurnResult result = Run(Turn(session, "hello"), sink);
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.reason, FinishReason::kEndOfTurn);
  EXPECT_EQ(sink.text().size(), 5u);
  EXPECT_EQ(result.session_id, session);
  EXPECT_EQ(result.turn, 1);
  EXPECT_EQ(result.usage.prompt_tokens, 6);
  EXPECT_EQ(result.usage.fed_tokens, 1 + 6 + 5);          // BOS, the message, the reply without its end token
  EXPECT_EQ(result.usage.generated_tokens, 5 + 1);        // with its end token
  EXPECT_EQ(result.memory.stream_tokens, 1 + 6 + 5 + 2);  // closed by the end of turn and a separator, not yet fed
}

}  // namespace
}  // namespace perennial
