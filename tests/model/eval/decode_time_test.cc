#include "model/eval/decode_time.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "tests/model/eval/eval_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

TEST(DecodeTimeTest, QuantilesAreRanks) {
  EXPECT_EQ(Quantile({3, 1, 2}, 0.5), 2);
  EXPECT_EQ(Quantile({1, 2, 3, 4}, 0.5), 2);
  EXPECT_EQ(Quantile({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.9), 9);
  EXPECT_EQ(Quantile({7}, 0), 7);
  EXPECT_TRUE(std::isnan(Quantile({}, 0.5)));
}

TEST(DecodeTimeTest, TimesAndScoresEachToken) {
  TimedRunner timed;
  const EvalSubject subject = timed.Subject(16);
  auto stream = EvalStream::Create(subject, {.sink_tokens = 1, .note_tokens = 0, .window_tokens = 7});
  ASSERT_TRUE(stream.ok());
  const std::vector<TokenId> tokens = SomeText(6);
  std::vector<double> losses;
  const auto seconds = TimeDecoding(subject, *stream, absl::MakeConstSpan(tokens).first(5),
                                    absl::MakeConstSpan(tokens).subspan(1), &losses);
  EXPECT_EQ(ValueOf(seconds), std::vector<double>(5, 0.001));
  EXPECT_EQ(stream->num_tokens(), 5);
  auto again = EvalStream::Create(subject, {.sink_tokens = 1, .note_tokens = 0, .window_tokens = 7});
  std::vector<double> expected;
  ASSERT_TRUE(
      again->FeedAndScore(absl::MakeConstSpan(tokens).first(5), absl::MakeConstSpan(tokens).subspan(1), expected).ok());
  EXPECT_EQ(losses, expected);
}

// A step costs a millisecond a token here, so re-computation costs as many times more as the cache has tokens.
TEST(DecodeTimeTest, SpeedComparesWithRecomputation) {
  TimedRunner timed;
  const EvalSubject subject = timed.Subject(5);
  const Report report =
      ValueOf(RunSpeed(subject, SomeText(60),
                       {.cache_tokens = {8, 32}, .sink_tokens = 2, .decoded_tokens = 10, .recomputed_tokens = 3}));
  for (size_t row : {0, 1}) {
    const double capacity = report.Number("caches", row, "cache_tokens");
    EXPECT_EQ(capacity, row == 0 ? 8 : 32);
    EXPECT_NEAR(report.Number("caches", row, "milliseconds_streaming"), 1, 1e-9);
    EXPECT_NEAR(report.Number("caches", row, "milliseconds_recompute"), capacity, 1e-9);
    EXPECT_NEAR(report.Number("caches", row, "speedup"), capacity, 1e-9);
  }
}

// Steps of four tokens cost the least here: a step costs the square of its tokens, and five more.
TEST(DecodeTimeTest, RecomputationTakesTheChunksThatAreFastest) {
  absl::Time now = absl::UnixEpoch();
  FakeOptions fake;
  fake.before_step = [&now](absl::Span<const StepInput> batch) {
    const int64_t tokens = static_cast<int64_t>(batch[0].tokens.size());
    now += absl::Milliseconds(tokens * tokens + 5);
  };
  FakeModelRunner runner(std::move(fake));
  EvalSubject subject = SubjectOf(runner, 16);
  subject.now = [&now] { return now; };
  const Report report = ValueOf(
      RunSpeed(subject, SomeText(60),
               {.cache_tokens = {8, 32}, .sink_tokens = 2, .decoded_tokens = 10, .recompute_chunks = {1, 4, 64}}));
  for (size_t row : {0, 1}) {
    EXPECT_EQ(report.Number("caches", row, "recompute_chunk"), 4);
    EXPECT_NEAR(report.Number("caches", row, "milliseconds_recompute"),
                21 * report.Number("caches", row, "cache_tokens") / 4, 1e-9);
  }
}

TEST(DecodeTimeTest, SaysWhatIsWrong) {
  FakeModelRunner runner{FakeOptions{}};
  const EvalSubject subject = SubjectOf(runner);
  const auto message = [&](const SpeedOptions& options) { return MessageOf(RunSpeed(subject, SomeText(60), options)); };
  EXPECT_THAT(message({.cache_tokens = {8}, .decoded_tokens = 0}), HasSubstr("decoded_tokens is 0"));
  EXPECT_THAT(message({.cache_tokens = {8}, .recomputed_tokens = 0}), HasSubstr("recomputed_tokens is 0"));
  EXPECT_THAT(message({.cache_tokens = {8}, .recompute_chunks = {}}), HasSubstr("recompute_chunks is empty"));
  EXPECT_THAT(message({.cache_tokens = {8}, .recompute_chunks = {0}}), HasSubstr("recompute_chunks has 0"));
  EXPECT_THAT(message({.cache_tokens = {50}}), HasSubstr("tokens is 60; it must be at least 100"));
  EXPECT_THAT(message({.cache_tokens = {2}}), HasSubstr("sink_tokens is 4"));
  EXPECT_THAT(message({.cache_tokens = {}}), HasSubstr("cache_sizes is empty"));
}

}  // namespace
}  // namespace perennial
