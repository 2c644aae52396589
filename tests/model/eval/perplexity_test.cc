#include "model/eval/perplexity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "model/sink_window.h"
#include "tests/fake_model_runner.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

std::vector<TokenId> SomeText(int64_t count) {
  std::vector<TokenId> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<TokenId>((i * i * 7 + i * 3 + 11) % 50));
  return tokens;
}

// What the evaluation should give, token by token, written anew: feeds one token at a time and keeps the losses.
class OneByOne {
 public:
  OneByOne(ModelRunner& runner, const CacheShape& shape, EvictionPolicy policy = EvictionPolicy::kTokenWise)
      : runner_(runner), cache_(*runner.NewCache(shape)), window_(shape, policy) {}

  void BeginTurn() { window_.BeginTurn(); }

  // The loss of `next` after `token`.
  double Feed(TokenId token, TokenId next) {
    const std::vector<TokenId> tokens = {token};
    const std::vector<int64_t> window_begin = window_.Advance(1);
    StepOutput output;
    const absl::Status status =
        runner_.Step({StepInput{.cache = cache_.get(), .tokens = tokens, .window_begin = window_begin}}, output);
    if (!status.ok()) ADD_FAILURE() << status;
    double sum = 0;
    for (const float logit : output.Row(0)) sum += std::exp(double{logit});
    return std::log(sum) - output.Row(0)[static_cast<size_t>(next)];
  }

 private:
  ModelRunner& runner_;
  std::unique_ptr<KvCache> cache_;
  SinkWindow window_;
};

double PerplexityOf(const std::vector<double>& losses, size_t first) {
  double sum = 0;
  for (size_t i = first; i < losses.size(); ++i) sum += losses[i];
  return std::exp(sum / static_cast<double>(losses.size() - first));
}

PerplexityResult Measure(ModelRunner& runner, const std::vector<TokenId>& tokens, const PerplexityOptions& options) {
  const auto result = MeasurePerplexity(runner, tokens, options);
  if (!result.ok()) ADD_FAILURE() << result.status();
  return result.ok() ? *result : PerplexityResult{};
}

TEST(PerplexityTest, SinksAreFedAsOneStreamWhateverTheChunk) {
  FakeModelRunner runner{FakeOptions{}};
  const std::vector<TokenId> tokens = SomeText(60);
  const CacheShape shape = {.sink_tokens = 2, .note_tokens = 0, .window_tokens = 8};
  OneByOne expected(runner, shape);
  std::vector<double> losses;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) losses.push_back(expected.Feed(tokens[i], tokens[i + 1]));
  for (const int32_t chunk : {1, 7, 100}) {
    const PerplexityResult result =
        Measure(runner, tokens, {.sink_tokens = 2, .cache_tokens = 10, .chunk_tokens = chunk});
    EXPECT_EQ(result.tokens, 60);
    EXPECT_NEAR(result.perplexity, PerplexityOf(losses, 0), 1e-6);
    EXPECT_NEAR(result.perplexity_second_half, PerplexityOf(losses, 29), 1e-6);
    EXPECT_GT(result.cache_bytes, 0);
  }
}

TEST(PerplexityTest, TurnWiseBeginsWindowsAtTurns) {
  FakeModelRunner runner{FakeOptions{}};
  const std::vector<TokenId> tokens = SomeText(60);
  const CacheShape shape = {.sink_tokens = 2, .note_tokens = 0, .window_tokens = 8};
  OneByOne expected(runner, shape, EvictionPolicy::kTurnWise);
  std::vector<double> losses;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (i % 3 == 0) expected.BeginTurn();
    losses.push_back(expected.Feed(tokens[i], tokens[i + 1]));
  }
  PerplexityOptions options = {.sink_tokens = 2, .cache_tokens = 10};
  const double token_wise = Measure(runner, tokens, options).perplexity;
  options.eviction = EvictionPolicy::kTurnWise;
  options.turn_tokens = 3;
  for (const int32_t chunk : {1, 7, 100}) {
    options.chunk_tokens = chunk;
    EXPECT_NEAR(Measure(runner, tokens, options).perplexity, PerplexityOf(losses, 0), 1e-6);
  }
  EXPECT_NE(token_wise, PerplexityOf(losses, 0));
}

TEST(PerplexityTest, DenseSeesEverything) {
  FakeModelRunner runner{FakeOptions{}};
  const std::vector<TokenId> tokens = SomeText(40);
  const double dense = Measure(runner, tokens, {.attention = EvalAttention::kDense, .cache_tokens = 5}).perplexity;
  EXPECT_NEAR(dense, Measure(runner, tokens, {.sink_tokens = 0, .cache_tokens = 40}).perplexity, 1e-9);
  EXPECT_NE(dense, Measure(runner, tokens, {.sink_tokens = 0, .cache_tokens = 5}).perplexity);
}

TEST(PerplexityTest, RecomputeStartsAnewForEveryToken) {
  FakeModelRunner runner{FakeOptions{}};
  const std::vector<TokenId> tokens = SomeText(30);
  const CacheShape shape = {.sink_tokens = 0, .note_tokens = 0, .window_tokens = 6};
  std::vector<double> losses;
  for (size_t target = 1; target < tokens.size(); ++target) {
    OneByOne fresh(runner, shape);
    double loss = 0;
    for (size_t i = target < 6 ? 0 : target - 6; i < target; ++i) loss = fresh.Feed(tokens[i], tokens[target]);
    losses.push_back(loss);
  }
  const PerplexityResult result =
      Measure(runner, tokens, {.attention = EvalAttention::kRecompute, .cache_tokens = 6, .chunk_tokens = 4});
  EXPECT_NEAR(result.perplexity, PerplexityOf(losses, 0), 1e-6);
  EXPECT_NEAR(result.perplexity_second_half, PerplexityOf(losses, 14), 1e-6);
}

TEST(PerplexityTest, ReportsProgressUpToTheEnd) {
  FakeModelRunner runner{FakeOptions{}};
  std::vector<int64_t> done;
  PerplexityOptions options = {.sink_tokens = 1, .cache_tokens = 8, .chunk_tokens = 10};
  options.progress = [&](int64_t now, int64_t total) {
    EXPECT_EQ(total, 24);
    done.push_back(now);
  };
  Measure(runner, SomeText(25), options);
  EXPECT_EQ(done, (std::vector<int64_t>{10, 20, 24}));
}

TEST(PerplexityTest, RefusesWhatCannotBeMeasured) {
  FakeModelRunner runner{FakeOptions{}};
  const auto message = [&](const std::vector<TokenId>& tokens, const PerplexityOptions& options) {
    const auto result = MeasurePerplexity(runner, tokens, options);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(result.status().message());
  };
  EXPECT_THAT(message({1}, {}), HasSubstr("1 tokens"));
  EXPECT_THAT(message({1, 100000}, {}), HasSubstr("token id 100000"));
  EXPECT_THAT(message({1, 2}, {.sink_tokens = 5, .cache_tokens = 5}), HasSubstr("sink_tokens is 5"));
  EXPECT_THAT(message({1, 2}, {.sink_tokens = 0, .cache_tokens = 0}), HasSubstr("cache_tokens is 0"));
  EXPECT_THAT(message({1, 2}, {.chunk_tokens = 0}), HasSubstr("chunk_tokens is 0"));
  EXPECT_THAT(message({1, 2}, {.turn_tokens = 0}), HasSubstr("turn_tokens is 0"));
}

TEST(PerplexityTest, PassesTheRunnersErrorsOn) {
  FakeModelRunner runner{FakeOptions{}};
  runner.FailStep(1, absl::InternalError("planted"));
  EXPECT_EQ(MeasurePerplexity(runner, SomeText(40), {.sink_tokens = 1, .cache_tokens = 8, .chunk_tokens = 10}).status(),
            absl::InternalError("planted"));
}

TEST(PerplexityTest, EvictionByName) {
  EXPECT_EQ(*ParseEvictionPolicy("token_wise"), EvictionPolicy::kTokenWise);
  EXPECT_EQ(*ParseEvictionPolicy("turn_wise"), EvictionPolicy::kTurnWise);
  EXPECT_FALSE(ParseEvictionPolicy("turn").ok());
}

TEST(PerplexityTest, AttentionByName) {
  EXPECT_EQ(*ParseEvalAttention("sinks"), EvalAttention::kSinks);
  EXPECT_EQ(*ParseEvalAttention("dense"), EvalAttention::kDense);
  EXPECT_EQ(*ParseEvalAttention("recompute"), EvalAttention::kRecompute);
  EXPECT_FALSE(ParseEvalAttention("sliding").ok());
}

}  // namespace
}  // namespace perennial
