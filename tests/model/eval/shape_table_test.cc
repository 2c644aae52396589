#include "model/eval/shape_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/eval/perplexity.h"
#include "tests/model/eval/eval_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

// A text that counts up after its first token, and a model that counts up too, as long as it sees that first token.
std::vector<TokenId> Counting(int64_t count) {
  std::vector<TokenId> tokens = {99};
  while (static_cast<int64_t>(tokens.size()) < count) tokens.push_back(static_cast<TokenId>(tokens.size() % 50));
  return tokens;
}
FakeOptions NeedsItsFirstToken() {
  FakeOptions options;
  options.script = [](const FakeSight& sight) {
    return sight.visible.front().token == 99 ? (sight.visible.back().token + 1) % 50 : kNoToken;
  };
  return options;
}

TEST(ShapeTableTest, EveryShapeIsARow) {
  FakeModelRunner runner{FakeOptions{}};
  const EvalSubject subject = SubjectOf(runner);
  const std::vector<TokenId> tokens = SomeText(80);
  const std::vector<CacheShape> shapes = ValueOf(EvalShapes({0, 2}, {8, 16}));
  ASSERT_EQ(shapes.size(), 4u);
  const Report report = ValueOf(RunShapes(subject, tokens, shapes, 0));
  double best = 1e9;
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(report.Number("caches", i, "cache_tokens"), i < 2 ? 8 : 16);
    EXPECT_EQ(report.Number("caches", i, "sink_tokens"), i % 2 == 0 ? 0 : 2);
    const TextLosses losses = ValueOf(
        MeasureLosses(subject, tokens, {.sink_tokens = shapes[i].sink_tokens, .cache_tokens = shapes[i].capacity()}));
    const double compared = Perplexity(absl::MakeConstSpan(losses.losses).subspan(16));
    EXPECT_EQ(report.Number("caches", i, "perplexity"), losses.perplexity());
    EXPECT_EQ(report.Number("caches", i, "perplexity_compared"), compared);
    best = std::min(best, compared);
  }
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(report.Number("caches", i, "perplexity_ratio"), report.Number("caches", i, "perplexity_compared") / best);
  }
}

TEST(ShapeTableTest, TimesTokensOneByOne) {
  TimedRunner timed;
  const EvalSubject subject = timed.Subject(8);
  const Report report = ValueOf(RunShapes(subject, SomeText(60), ValueOf(EvalShapes({1}, {8})), 5));
  EXPECT_NEAR(report.Number("caches", 0, "milliseconds_per_token"), 1.0, 1e-9);
}

TEST(ShapeTableTest, AdviseTakesTheSmallestThatIsAsGood) {
  FakeModelRunner runner{NeedsItsFirstToken()};
  const EvalSubject subject = SubjectOf(runner);
  const auto shapes = ValueOf(EvalShapes({0, 1, 4}, {16, 8, 32}));
  const Report report = ValueOf(RunAdvise(subject, Counting(120), shapes, 0, 0.01));
  EXPECT_EQ(report.Fact("recommended_sink_tokens"), 1);
  EXPECT_EQ(report.Fact("recommended_cache_tokens"), 8);
  EXPECT_THAT(report.conclusion, HasSubstr("--sink_tokens=1 --cache_tokens=8"));
  EXPECT_GT(report.Number("caches", 0, "perplexity_ratio"), 2);  // without sinks
  EXPECT_EQ(ValueOf(RunAdvise(subject, Counting(120), shapes, 0, 1e9)).Fact("recommended_sink_tokens"), 0);
}

TEST(ShapeTableTest, SaysWhatIsWrong) {
  FakeModelRunner runner{FakeOptions{}};
  const EvalSubject subject = SubjectOf(runner);
  const auto shapes = ValueOf(EvalShapes({1}, {8}));
  EXPECT_THAT(MessageOf(EvalShapes({}, {8})), HasSubstr("sink_counts is empty"));
  EXPECT_THAT(MessageOf(EvalShapes({1}, {})), HasSubstr("cache_sizes is empty"));
  EXPECT_THAT(MessageOf(EvalShapes({8}, {8})), HasSubstr("sink_tokens is 8"));
  EXPECT_THAT(MessageOf(RunShapes(subject, SomeText(9), shapes, 0)), HasSubstr("tokens is 9; it must be at least 10"));
  EXPECT_THAT(MessageOf(RunShapes(subject, SomeText(99), shapes, -1)), HasSubstr("timed_tokens is -1"));
  EXPECT_THAT(MessageOf(RunAdvise(subject, SomeText(99), shapes, 0, -1)), HasSubstr("tolerance is -1"));
}

}  // namespace
}  // namespace perennial
