#include "tests/fake_model_runner.h"

#include <gmock/gmock.h>

#include <thread>

#include "tests/model/model_runner_contract.h"

namespace perennial {
namespace {

using ::testing::ElementsAre;

constexpr TokenId kStart = 30;
constexpr TokenId kEnd = 31;

FakeOptions SmallOptions() {
  FakeOptions options;
  options.vocab_size = 32;
  options.max_tokens_per_step = 64;
  options.max_cache_tokens = 128;
  return options;
}

std::unique_ptr<ModelRunner> MakeFake(int64_t cache_tokens) {
  FakeOptions options = SmallOptions();
  options.cache_memory_bytes = cache_tokens * FakeModelRunner::kRowBytes;
  return std::make_unique<FakeModelRunner>(std::move(options));
}

INSTANTIATE_TEST_SUITE_P(Fake, ModelRunnerContract,
                         ::testing::Values(RunnerUnderTest{.name = "fake", .tolerance = 0.0f, .make = MakeFake}),
                         RunnerName);

TokenId Highest(const std::vector<float>& row) {
  return static_cast<TokenId>(std::max_element(row.begin(), row.end()) - row.begin());
}

// Feeds `prompt`, then what the fake likes best, up to `limit` tokens or the end token.
std::vector<TokenId> Reply(ContractStream& stream, const std::vector<TokenId>& prompt, size_t limit) {
  std::vector<TokenId> reply;
  Rows rows = stream.Feed(prompt, 7);
  while (reply.size() < limit) {
    reply.push_back(Highest(rows.back()));
    if (reply.back() == kEnd) break;
    rows = stream.Feed({&reply.back(), 1}, 1);
  }
  return reply;
}

// The fake's own claim, checked against design section 2 written down once more, from the text and not from slots.
TEST(FakeModelRunnerTest, SeesExactlyTheOrderedTokensOfSectionTwo) {
  for (const CacheShape& shape : ContractShapes()) {
    FakeOptions options = SmallOptions();
    std::vector<FakeSight> sights;
    options.script = [&sights](const FakeSight& sight) {
      sights.push_back(sight);
      return kNoToken;
    };
    FakeModelRunner runner(options);
    ContractStream stream(runner, shape);
    const std::vector<TokenId> tokens = SomeTokens(32, 40, 1);
    const std::vector<TokenId> notes = SomeTokens(32, static_cast<size_t>(shape.note_tokens), 2);
    const std::vector<int64_t> window_begins = SomeWindowBegins(shape, 0, 40, 3);
    stream.FeedWith(absl::MakeSpan(tokens).first(10), absl::MakeSpan(window_begins).first(10), 3);
    if (!notes.empty()) stream.WriteNotes(notes);
    stream.FeedWith(absl::MakeSpan(tokens).subspan(10), absl::MakeSpan(window_begins).subspan(10), 7);
    ASSERT_EQ(sights.size(), tokens.size());
    for (size_t t = 0; t < tokens.size(); ++t) {
      std::vector<TokenId> seen;
      const size_t sinks = static_cast<size_t>(shape.sink_tokens);
      for (size_t u = 0; u <= t && u < sinks; ++u) seen.push_back(tokens[u]);
      if (t >= sinks) {
        if (t >= 10) seen.insert(seen.end(), notes.begin(), notes.end());
        for (size_t u = static_cast<size_t>(window_begins[t]); u <= t; ++u) seen.push_back(tokens[u]);
      }
      ASSERT_EQ(sights[t].visible.size(), seen.size());
      ASSERT_EQ(sights[t].place, static_cast<int32_t>(seen.size()) - 1);
      for (size_t place = 0; place < seen.size(); ++place) {
        ASSERT_EQ(sights[t].visible[place].token, seen[place]);
        ASSERT_EQ(sights[t].visible[place].distance, static_cast<int64_t>(seen.size() - 1 - place));
      }
    }
  }
}

TEST(FakeModelRunnerTest, EchoesWhatItRemembers) {
  FakeOptions options = SmallOptions();
  options.script = Echoes(kStart, kEnd);
  FakeModelRunner runner(options);
  ContractStream stream(runner, {.sink_tokens = 2, .note_tokens = 0, .window_tokens = 20});
  EXPECT_THAT(Reply(stream, {1, 2, 3, 4, kStart}, 20), ElementsAre(1, 2, 3, 4, kEnd));
}

TEST(FakeModelRunnerTest, RepliesHaveTheLengthAskedFor) {
  FakeOptions options = SmallOptions();
  options.script = RepliesOfLength(kStart, 5, {10, 11, 12}, kEnd);
  FakeModelRunner runner(options);
  ContractStream stream(runner, {.sink_tokens = 2, .note_tokens = 0, .window_tokens = 20});
  for (TokenId question = 1; question < 9; ++question) {
    const std::vector<TokenId> reply = Reply(stream, {question, kStart}, 20);
    ASSERT_EQ(reply.size(), 6u);
    EXPECT_EQ(reply.back(), kEnd);
    for (size_t i = 0; i < 5; ++i) EXPECT_TRUE(reply[i] >= 10 && reply[i] <= 12);
  }
}

TEST(FakeModelRunnerTest, RandomRepliesEndAboutAsOftenAsAskedFor) {
  FakeOptions options = SmallOptions();
  options.script = RepliesFrom({10, 11, 12}, kEnd, 8);
  FakeModelRunner runner(options);
  ContractStream stream(runner, {.sink_tokens = 2, .note_tokens = 0, .window_tokens = 20});
  size_t tokens = 0;
  for (int turn = 0; turn < 200; ++turn) tokens += Reply(stream, {kStart}, 1000).size();
  EXPECT_GT(tokens, 200u * 6);
  EXPECT_LT(tokens, 200u * 10);
}

struct OneToken {
  explicit OneToken(KvCache& cache) : begin(std::max<int64_t>(cache.num_tokens(), 1)) {
    input = {.cache = &cache, .part = Part::kStream, .tokens = {&token, 1}, .window_begin = {&begin, 1}};
  }
  TokenId token = 1;
  int64_t begin;
  StepInput input;
};

TEST(FakeModelRunnerTest, FailsAndPoisonsTheStepsAskedFor) {
  FakeModelRunner runner(SmallOptions());
  auto cache = *runner.NewCache({.sink_tokens = 1, .note_tokens = 0, .window_tokens = 4});
  StepOutput output;
  runner.PoisonStep(1);
  runner.FailStep(3, absl::InternalError("planted"));
  EXPECT_TRUE(runner.Step({OneToken(*cache).input}, output).ok());
  EXPECT_TRUE(std::isnan(output.Row(0)[0]));
  EXPECT_TRUE(runner.Step({OneToken(*cache).input}, output).ok());
  EXPECT_FALSE(std::isnan(output.Row(0)[0]));
  EXPECT_EQ(runner.Step({OneToken(*cache).input}, output), absl::InternalError("planted"));
  EXPECT_TRUE(runner.Step({OneToken(*cache).input}, output).ok());
  EXPECT_FALSE(runner.Step({}, output).ok());
  const FakeCounters counters = runner.counters();
  EXPECT_EQ(counters.steps, 3);
  EXPECT_EQ(counters.failed_steps, 1);
  EXPECT_EQ(counters.refused_steps, 1);
  EXPECT_EQ(counters.stream_tokens, 3);
  EXPECT_EQ(counters.logit_rows, 3);
  EXPECT_EQ(counters.largest_batch, 1);
  EXPECT_EQ(counters.live_caches, 1);
  EXPECT_EQ(counters.used_bytes, 5 * FakeModelRunner::kRowBytes);
}

TEST(FakeModelRunnerTest, GateHoldsStepsUntilTheyAreAllowed) {
  FakeModelRunner runner(SmallOptions());
  runner.BlockSteps();
  std::thread engine([&runner] {
    auto cache = *runner.NewCache({.sink_tokens = 1, .note_tokens = 0, .window_tokens = 4});
    StepOutput output;
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(runner.Step({OneToken(*cache).input}, output).ok());
  });
  runner.AwaitBlockedStep();
  EXPECT_EQ(runner.counters().steps, 0);
  runner.AllowSteps(2);
  runner.AwaitBlockedStep();
  EXPECT_EQ(runner.counters().steps, 2);
  runner.AllowSteps(1);
  runner.AwaitBlockedStep();
  EXPECT_EQ(runner.counters().steps, 3);
  runner.UnblockSteps();
  runner.AwaitSteps(5);
  engine.join();
  EXPECT_EQ(runner.counters().steps, 5);
}

}  // namespace
}  // namespace perennial
