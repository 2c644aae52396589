#include "model/eval/length.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "model/eval/perplexity.h"
#include "tests/model/eval/eval_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

LengthOptions Options() {
  return {.shape = {.sink_tokens = 2, .note_tokens = 0, .window_tokens = 8},
          .block_tokens = 100,
          .score_every = 1,
          .compare_every = 2,
          .time_at = {50, 250, 1000},
          .decoded_tokens = 20};
}

TEST(LengthTest, BlocksAreThoseOfOneStream) {
  FakeModelRunner runner{FakeOptions{}};
  const EvalSubject subject = SubjectOf(runner);
  const std::vector<TokenId> tokens = SomeText(351);
  const Report report = ValueOf(RunLength(subject, tokens, Options()));
  const std::vector<double> losses =
      ValueOf(MeasureLosses(subject, tokens, {.sink_tokens = 2, .cache_tokens = 10})).losses;
  ASSERT_EQ(report.Table("blocks").rows.size(), 4u);
  for (size_t block = 0; block < 4; ++block) {
    const double first = report.Number("blocks", block, "first_token");
    EXPECT_EQ(first, 100.0 * static_cast<double>(block));
    EXPECT_EQ(report.Number("blocks", block, "last_token"), std::min(350.0, first + 100));
    EXPECT_EQ(report.Number("blocks", block, "perplexity"),
              Perplexity(absl::MakeConstSpan(losses).subspan(block * 100, 100)));
  }
}

TEST(LengthTest, BlocksAreComparedWithAnEmptyCache) {
  FakeModelRunner runner{FakeOptions{}};
  const EvalSubject subject = SubjectOf(runner);
  const std::vector<TokenId> tokens = SomeText(301);
  LengthOptions options = Options();
  const Report report = ValueOf(RunLength(subject, tokens, options));
  // Blocks 0 and 2 of 0, 1, 2; the first one begins with an empty cache anyway.
  EXPECT_EQ(report.Number("blocks", 0, "ratio"), 1.0);
  EXPECT_TRUE(std::isnan(report.Number("blocks", 1, "ratio")));
  const std::vector<double> alone =
      ValueOf(MeasureLosses(subject, absl::MakeConstSpan(tokens).subspan(200), {.sink_tokens = 2, .cache_tokens = 10}))
          .losses;
  EXPECT_EQ(report.Number("blocks", 2, "perplexity_from_empty"), Perplexity(alone));
  const double ratio = report.Number("blocks", 2, "perplexity") / Perplexity(alone);
  EXPECT_EQ(report.Number("blocks", 2, "ratio"), ratio);
  EXPECT_EQ(report.Fact("largest_ratio"), std::max(1.0, ratio));
  EXPECT_EQ(report.Fact("smallest_ratio"), std::min(1.0, ratio));
  options.compare_every = 0;
  EXPECT_TRUE(std::isnan(ValueOf(RunLength(subject, tokens, options)).Fact("largest_ratio")));
}

TEST(LengthTest, AnEmptyCacheBeginsWithTheSinkTokenToo) {
  FakeModelRunner runner{FakeOptions{}};
  EvalSubject subject = SubjectOf(runner);
  subject.sink_token = 90;
  std::vector<TokenId> tokens = {90};
  for (const TokenId token : SomeText(300)) tokens.push_back(token);
  const Report report = ValueOf(RunLength(subject, tokens, Options()));
  std::vector<TokenId> block = {90};
  block.insert(block.end(), tokens.begin() + 200, tokens.end());
  const std::vector<double> alone =
      ValueOf(MeasureLosses(subject, block, {.sink_tokens = 2, .cache_tokens = 10})).losses;
  EXPECT_TRUE(std::isnan(alone[0]));
  EXPECT_EQ(report.Number("blocks", 2, "perplexity_from_empty"), Perplexity(alone));
  EXPECT_EQ(report.Number("blocks", 0, "ratio"), 1.0);
}

TEST(LengthTest, ScoresEverySoManyChunks) {
  FakeModelRunner runner{FakeOptions{}};
  const EvalSubject subject = SubjectOf(runner, 10);
  const std::vector<TokenId> tokens = SomeText(301);
  LengthOptions options = Options();
  options.score_every = 3;
  const Report report = ValueOf(RunLength(subject, tokens, options));
  const std::vector<double> losses =
      ValueOf(MeasureLosses(subject, tokens, {.sink_tokens = 2, .cache_tokens = 10})).losses;
  std::vector<double> scored;
  for (size_t i = 100; i < 200; ++i) {
    if (i / 10 % 3 == 0) scored.push_back(losses[i]);
  }
  EXPECT_EQ(report.Number("blocks", 1, "perplexity"), Perplexity(scored));
}

TEST(LengthTest, TimesTokensBeforeThePoints) {
  TimedRunner timed;
  EvalSubject subject = timed.Subject(16);
  subject.device_bytes = [] { return int64_t{77}; };
  LengthOptions options = Options();
  options.time_at = {50, 250, 301, 1000};
  const Report report = ValueOf(RunLength(subject, SomeText(301), options));
  ASSERT_EQ(report.Table("points").rows.size(), 3u);  // 1000 lies past the text
  EXPECT_EQ(report.Number("points", 0, "token"), 50);
  EXPECT_EQ(report.Number("points", 1, "token"), 250);
  EXPECT_EQ(report.Number("points", 2, "token"), 300);  // the last one that can be fed and predicted
  for (size_t point = 0; point < 3; ++point) {
    EXPECT_NEAR(report.Number("points", point, "milliseconds_per_token"), 1, 1e-9);
    EXPECT_NEAR(report.Number("points", point, "milliseconds_mean"), 1, 1e-9);
    EXPECT_NEAR(report.Number("points", point, "milliseconds_ninetieth"), 1, 1e-9);
    EXPECT_GT(report.Number("points", point, "resident_bytes"), 1 << 20);
    EXPECT_EQ(report.Number("points", point, "device_bytes"), 77);
  }
}

TEST(LengthTest, SaysWhatIsWrong) {
  FakeModelRunner runner{FakeOptions{}};
  const EvalSubject subject = SubjectOf(runner);
  const auto message = [&](auto change) {
    LengthOptions options = Options();
    change(options);
    return MessageOf(RunLength(subject, SomeText(60), options));
  };
  EXPECT_THAT(message([](LengthOptions& o) { o.block_tokens = 0; }), HasSubstr("block_tokens is 0"));
  EXPECT_THAT(message([](LengthOptions& o) { o.score_every = 0; }), HasSubstr("score_every is 0"));
  EXPECT_THAT(message([](LengthOptions& o) { o.compare_every = -1; }), HasSubstr("compare_every is -1"));
  EXPECT_THAT(message([](LengthOptions& o) { o.decoded_tokens = 0; }), HasSubstr("decoded_tokens is 0"));
  EXPECT_THAT(message([](LengthOptions& o) { o.time_at = {50, 60}; }), HasSubstr("time_at has 60"));
  EXPECT_THAT(MessageOf(RunLength(subject, {1}, Options())), HasSubstr("tokens is 1"));
}

}  // namespace
}  // namespace perennial
