#include "model/eval/perplexity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/sink_window.h"
#include "tests/fake_model_runner.h"
#include "tests/model/eval/eval_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

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

TextLosses Measure(ModelRunner& runner, const std::vector<TokenId>& tokens, const PerplexityOptions& options,
                   int32_t chunk_tokens = 16) {
  const EvalSubject subject = SubjectOf(runner, chunk_tokens);
  return ValueOf(MeasureLosses(subject, tokens, options));
}

TEST(PerplexityTest, SinksAreFedAsOneStreamWhateverTheChunk) {
  FakeModelRunner runner{FakeOptions{}};
  const std::vector<TokenId> tokens = SomeText(60);
  OneByOne expected(runner, {.sink_tokens = 2, .note_tokens = 0, .window_tokens = 8});
  std::vector<double> losses;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) losses.push_back(expected.Feed(tokens[i], tokens[i + 1]));
  for (const int32_t chunk : {1, 7, 100}) {
    const TextLosses result = Measure(runner, tokens, {.sink_tokens = 2, .cache_tokens = 10}, chunk);
    EXPECT_EQ(result.losses.size(), 59u);
    EXPECT_NEAR(result.perplexity(), PerplexityOf(losses, 0), 1e-4);
    EXPECT_NEAR(result.perplexity_second_half(), PerplexityOf(losses, 29), 1e-4);
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
  const PerplexityOptions options = {
      .sink_tokens = 2, .cache_tokens = 10, .eviction = {.policy = EvictionPolicy::kTurnWise, .turn_tokens = 3}};
  EXPECT_NEAR(Measure(runner, tokens, options, 7).perplexity(), PerplexityOf(losses, 0), 1e-4);
}

TEST(PerplexityTest, WindowHasNoSinksAndDenseSeesEverything) {
  FakeModelRunner runner{FakeOptions{}};
  const std::vector<TokenId> tokens = SomeText(40);
  const std::vector<double> dense =
      Measure(runner, tokens, {.attention = EvalAttention::kDense, .cache_tokens = 5}).losses;
  EXPECT_EQ(dense, Measure(runner, tokens, {.sink_tokens = 0, .cache_tokens = 40}).losses);
  const std::vector<double> window =
      Measure(runner, tokens, {.attention = EvalAttention::kWindow, .cache_tokens = 5}).losses;
  EXPECT_EQ(window, Measure(runner, tokens, {.sink_tokens = 0, .cache_tokens = 5}).losses);
  EXPECT_NE(window, dense);
}

TEST(PerplexityTest, NewlinesBecomeTheSinks) {
  FakeModelRunner runner{FakeOptions{}};
  const std::vector<TokenId> tokens = SomeText(40);
  const std::vector<double> losses =
      Measure(runner, tokens,
              {.attention = EvalAttention::kNewlines, .sink_tokens = 3, .cache_tokens = 9, .newline = 200})
          .losses;
  std::vector<TokenId> prefixed = {200, 200, 200};
  prefixed.insert(prefixed.end(), tokens.begin(), tokens.end());
  const std::vector<double> expected = Measure(runner, prefixed, {.sink_tokens = 3, .cache_tokens = 9}).losses;
  EXPECT_EQ(losses, std::vector<double>(expected.begin() + 3, expected.end()));
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
  PerplexityOptions options = {.attention = EvalAttention::kRecompute, .cache_tokens = 6};
  const TextLosses all = Measure(runner, tokens, options, 4);
  EXPECT_NEAR(all.perplexity(), PerplexityOf(losses, 0), 1e-4);
  options.recompute_every = 5;
  const TextLosses some = Measure(runner, tokens, options, 4);
  for (size_t i = 0; i < losses.size(); ++i) {
    if (i < 6 || (i + 1) % 5 == 0) {
      EXPECT_EQ(some.losses[i], all.losses[i]);
    } else {
      EXPECT_TRUE(std::isnan(some.losses[i])) << i;
    }
  }
}

// A model that was trained with a sink token never saw a text without it.
TEST(PerplexityTest, RecomputationBeginsWithTheSinkToken) {
  FakeModelRunner runner{FakeOptions{}};
  constexpr TokenId kSink = 90;
  std::vector<TokenId> tokens = {kSink};
  for (const TokenId token : SomeText(30)) tokens.push_back(token);
  EvalSubject subject = SubjectOf(runner, 4);
  subject.sink_token = kSink;
  const CacheShape shape = {.sink_tokens = 0, .note_tokens = 0, .window_tokens = 6};
  const TextLosses result =
      ValueOf(MeasureLosses(subject, tokens, {.attention = EvalAttention::kRecompute, .cache_tokens = 6}));
  ASSERT_EQ(result.losses.size(), 30u);
  EXPECT_TRUE(std::isnan(result.losses[0])) << "nothing is predicted from the sink token";
  for (size_t target = 2; target < tokens.size(); ++target) {
    OneByOne fresh(runner, shape);
    double loss = fresh.Feed(kSink, tokens[target]);
    for (size_t i = target < 6 ? 1 : target - 5; i < target; ++i) loss = fresh.Feed(tokens[i], tokens[target]);
    EXPECT_NEAR(result.losses[target - 1], loss, 1e-4) << target;
  }
  EXPECT_THAT(MessageOf(MeasureLosses(subject, tokens, {.attention = EvalAttention::kRecompute, .cache_tokens = 1})),
              HasSubstr("cache_tokens is 1"));
}

TEST(PerplexityTest, RunsAreComparedWhereAllPredictWithFullCaches) {
  FakeModelRunner runner{FakeOptions{}};
  const std::vector<TokenId> tokens = SomeText(50);
  const EvalSubject subject = SubjectOf(runner);
  const std::vector<PerplexityOptions> runs = {
      {.sink_tokens = 2, .cache_tokens = 10},
      {.attention = EvalAttention::kRecompute, .cache_tokens = 12, .recompute_every = 4},
      {.attention = EvalAttention::kDense}};
  const Report report = ValueOf(RunPerplexity(subject, tokens, runs, 10));
  const std::vector<double> sinks = Measure(runner, tokens, runs[0]).losses;
  std::vector<double> compared;  // targets 16, 20, …: past the largest cache, every fourth
  for (size_t target = 16; target < 50; target += 4) compared.push_back(sinks[target - 1]);
  EXPECT_EQ(report.Number("runs", 0, "perplexity_compared"), PerplexityOf(compared, 0));
  EXPECT_EQ(report.Number("runs", 2, "cache_tokens"), 50);
  EXPECT_EQ(report.Table("curve").rows.size(), 15u);
  EXPECT_EQ(report.Number("curve", 0, "perplexity"), Perplexity(absl::MakeConstSpan(sinks).first(10)));
  EXPECT_EQ(report.facts.size(), 1u);  // tokens
}

TEST(PerplexityTest, OneRunsFiguresAreFacts) {
  FakeModelRunner runner{FakeOptions{}};
  const EvalSubject subject = SubjectOf(runner);
  const std::vector<PerplexityOptions> run = {{.sink_tokens = 2, .cache_tokens = 10}};
  const Report report = ValueOf(RunPerplexity(subject, SomeText(60), run, 0));
  EXPECT_EQ(report.Fact("tokens"), 60);
  EXPECT_EQ(report.Fact("perplexity"), Measure(runner, SomeText(60), run[0]).perplexity());
  EXPECT_GT(report.Fact("perplexity_second_half"), 0);
  EXPECT_GT(report.Fact("tokens_per_second"), 0);
  EXPECT_EQ(report.Fact("cache_bytes"), 10 * FakeModelRunner::kRowBytes);
}

TEST(PerplexityTest, ReportsProgressUpToTheEnd) {
  FakeModelRunner runner{FakeOptions{}};
  std::vector<int64_t> done;
  EvalSubject subject = SubjectOf(runner, 10);
  subject.progress = [&](absl::string_view what, int64_t now, int64_t total) {
    EXPECT_EQ(what, "sinks");
    EXPECT_EQ(total, 24);
    done.push_back(now);
  };
  ASSERT_TRUE(MeasureLosses(subject, SomeText(25), {.sink_tokens = 1, .cache_tokens = 8}).ok());
  EXPECT_EQ(done, (std::vector<int64_t>{10, 20, 24}));
}

TEST(PerplexityTest, RefusesWhatCannotBeMeasured) {
  FakeModelRunner runner{FakeOptions{}};
  const auto message = [&](const std::vector<TokenId>& tokens, const PerplexityOptions& options) {
    const EvalSubject subject = SubjectOf(runner);
    const auto result = MeasureLosses(subject, tokens, options);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(result.status().message());
  };
  EXPECT_THAT(message({1}, {}), HasSubstr("1 tokens"));
  EXPECT_THAT(message({1, 100000}, {}), HasSubstr("token id 100000"));
  EXPECT_THAT(message({1, 2}, {.sink_tokens = 5, .cache_tokens = 5}), HasSubstr("sink_tokens is 5"));
  EXPECT_THAT(message({1, 2}, {.sink_tokens = 0, .cache_tokens = 0}), HasSubstr("cache_tokens is 0"));
  EXPECT_THAT(message({1, 2}, {.recompute_every = 0}), HasSubstr("recompute_every is 0"));
  EXPECT_THAT(message({1, 2}, {.eviction = {.policy = EvictionPolicy::kTurnWise}}), HasSubstr("turn_tokens is 0"));
  EXPECT_THAT(message({1, 2}, {.attention = EvalAttention::kNewlines}), HasSubstr("newline"));
  EXPECT_THAT(MessageOf(RunPerplexity(SubjectOf(runner), {1, 2}, {}, 0)), HasSubstr("attention is empty"));
}

TEST(PerplexityTest, PassesTheRunnersErrorsOn) {
  FakeModelRunner runner{FakeOptions{}};
  runner.FailStep(1, absl::InternalError("planted"));
  const EvalSubject subject = SubjectOf(runner);
  EXPECT_EQ(MeasureLosses(subject, SomeText(40), {.sink_tokens = 1, .cache_tokens = 8}).status(),
            absl::InternalError("planted"));
}

TEST(PerplexityTest, AttentionByName) {
  for (const char* name : {"sinks", "window", "dense", "recompute", "newlines"}) {
    EXPECT_EQ(EvalAttentionName(*ParseEvalAttention(name)), name);
  }
  EXPECT_THAT(MessageOf(ParseEvalAttention("sliding")), HasSubstr("attention is \"sliding\""));
}

}  // namespace
}  // namespace perennial
