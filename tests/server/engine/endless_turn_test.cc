// A turn without end: what the engine keeps of it does not grow with what has been said.

#include <malloc.h>

#include <algorithm>
#include <string>

#include "gtest/gtest.h"
#include "tests/server/engine/engine_fixture.h"

namespace perennial {
namespace {

// Counts and keeps nothing.
class CountingSink : public TurnSink {
 public:
  void OnEvent(TurnEvent event) override {
    ++events;
    EXPECT_EQ(event.sequence, ++sequence_);
    if (const auto* delta = std::get_if<TurnDelta>(&event.event)) {
      tokens += delta->tokens;
      bytes += static_cast<int64_t>(delta->text.size());
    }
  }
  void OnFinish(TurnResult end) override { result = std::move(end); }

  int64_t events = 0;
  int64_t tokens = 0;
  int64_t bytes = 0;
  TurnResult result;

 private:
  int64_t sequence_ = 0;
};

// Bytes that the program has allocated and not given back; 0 where the allocator does not say.
int64_t AllocatedBytes() { return static_cast<int64_t>(mallinfo2().uordblks); }

class EndlessTurnTest : public EngineFixture {};

TEST_F(EndlessTurnTest, StreamsThreeHundredThousandTokensAtConstantMemory) {
  constexpr int64_t kTokens = 300'000;
  options_.replay_bytes = 1 << 16;  // soon full
  shape_ = {.sink_tokens = 2, .note_tokens = 0, .window_tokens = 14};
  fake_.vocab_size = 128;
  fake_.script = RepliesFrom(TokensOf("abcdefghijklmnopqrstuvwxyz \n"), kEndToken, /*mean_length=*/1 << 30);
  const std::string session = CreateSession();
  EXPECT_EQ(Say(session, "a turn before", 20).size(), 20u);
  TurnSpec spec = Turn(session, "go on", /*max_tokens=*/0);
  spec.ignore_end_of_turn = true;
  spec.stop_strings = {"never said 1", "z\n\n\nz"};
  spec.sampling.repetition_penalty = 1.01f;
  CountingSink sink;
  const std::shared_ptr<TurnTicket> ticket = engine().Submit(std::move(spec), &sink);
  int64_t after_cache_filled = 0;
  while (sink.tokens < kTokens) {
    ASSERT_TRUE(RunOnce());
    if (after_cache_filled == 0 && sink.tokens >= kTokens / 10) after_cache_filled = AllocatedBytes();
  }
  EXPECT_LE(AllocatedBytes(), after_cache_filled + 1024);
  ticket->Leave();
  RunUntilIdle();
  EXPECT_TRUE(absl::IsCancelled(sink.result.status));
  EXPECT_GE(sink.result.usage.generated_tokens, kTokens);
  EXPECT_EQ(sink.result.usage.generated_tokens, sink.tokens);
  EXPECT_EQ(sink.bytes, sink.tokens) << "each token is a character";
  EXPECT_EQ(Say(session, "and after it", 20).size(), 20u);
}

}  // namespace
}  // namespace perennial
