#include "model/eval/eval_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/model/eval/eval_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

constexpr CacheShape kShape = {.sink_tokens = 2, .note_tokens = 0, .window_tokens = 8};

// Losses of a whole text in one stream.
std::vector<double> LossesOf(const EvalSubject& subject, const std::vector<TokenId>& text, EvalEviction eviction = {}) {
  auto stream = EvalStream::Create(subject, kShape, eviction);
  std::vector<double> losses;
  if (!stream.ok()) {
    ADD_FAILURE() << stream.status();
    return losses;
  }
  const absl::Span<const TokenId> tokens = text;
  const absl::Status status = stream->FeedAndScore(tokens.first(tokens.size() - 1), tokens.subspan(1), losses);
  EXPECT_TRUE(status.ok()) << status;
  return losses;
}

TEST(EvalStreamTest, LossIsMinusTheLogOfTheSoftmax) {
  const std::vector<float> logits = {1.0f, 3.0f, 2.0f};
  const double sum = std::exp(1.0) + std::exp(3.0) + std::exp(2.0);
  EXPECT_NEAR(Loss(logits, 1), -std::log(std::exp(3.0) / sum), 1e-6);
  EXPECT_NEAR(Loss(logits, 0), -std::log(std::exp(1.0) / sum), 1e-6);
  EXPECT_NEAR(Loss(std::vector<float>{1000.0f, 1000.0f}, 0), std::log(2.0), 1e-6);  // no overflow
  EXPECT_EQ(Likeliest(logits), 1);
  EXPECT_EQ(Likeliest(std::vector<float>{5.0f, 5.0f}), 0);
}

TEST(EvalStreamTest, PerplexityLeavesOutWhatWasNotPredicted) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NEAR(Perplexity(std::vector<double>{1.0, nan, 3.0}), std::exp(2.0), 1e-9);
  EXPECT_TRUE(std::isnan(Perplexity(std::vector<double>{nan})));
  EXPECT_TRUE(std::isnan(Perplexity({})));
}

TEST(EvalStreamTest, NothingIsPredictedFromTheSinkToken) {
  FakeModelRunner runner{FakeOptions{}};
  EvalSubject subject = SubjectOf(runner, 3);
  const std::vector<TokenId> text = SomeText(20);
  const std::vector<double> without = LossesOf(subject, text);
  subject.sink_token = text[0];
  const std::vector<double> losses = LossesOf(subject, text);
  for (size_t i = 0; i < losses.size(); ++i) {
    if (text[i] == text[0]) {
      EXPECT_TRUE(std::isnan(losses[i])) << i;
    } else {
      EXPECT_EQ(losses[i], without[i]) << i;
    }
  }
}

TEST(EvalStreamTest, LossesDoNotDependOnChunksOrThreads) {
  FakeModelRunner runner{FakeOptions{}};
  const std::vector<TokenId> text = SomeText(200);
  const std::vector<double> one_by_one = LossesOf(SubjectOf(runner, 1), text);
  ASSERT_EQ(one_by_one.size(), 199u);
  for (const int32_t chunk : {3, 64, 1000}) {
    EvalSubject subject = SubjectOf(runner, chunk);
    for (const int32_t threads : {1, 4}) {
      subject.loss_threads = threads;
      EXPECT_EQ(LossesOf(subject, text), one_by_one) << chunk << " " << threads;
    }
  }
}

TEST(EvalStreamTest, FedOrScoredOrDecodedTheStreamIsTheSame) {
  FakeModelRunner runner{FakeOptions{}};
  const EvalSubject subject = SubjectOf(runner);
  const std::vector<TokenId> text = SomeText(41);
  const std::vector<double> losses = LossesOf(subject, text);
  auto stream = EvalStream::Create(subject, kShape);
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(stream->Feed(absl::MakeConstSpan(text).first(30)).ok());
  EXPECT_EQ(stream->num_tokens(), 30);
  EXPECT_EQ(stream->horizon(), 22);
  for (size_t i = 30; i < 40; ++i) {
    ASSERT_TRUE(stream->FeedForLogits({text[i]}).ok());
    EXPECT_EQ(Loss(stream->logits(), text[i + 1]), losses[i]);
  }
}

TEST(EvalStreamTest, LogitsAreThoseOfTheLastTokenWhateverTheChunk) {
  FakeModelRunner runner{FakeOptions{}};
  const std::vector<TokenId> text = SomeText(41);
  const double expected = LossesOf(SubjectOf(runner), text).back();
  for (const int32_t chunk : {1, 7, 20, 40, 100}) {
    const EvalSubject subject = SubjectOf(runner, chunk);
    auto stream = EvalStream::Create(subject, kShape);
    ASSERT_TRUE(stream.ok());
    ASSERT_TRUE(stream->FeedForLogits(absl::MakeConstSpan(text).first(40)).ok());
    EXPECT_EQ(stream->num_tokens(), 40);
    EXPECT_EQ(Loss(stream->logits(), text[40]), expected);
  }
}

TEST(EvalStreamTest, PredictsAnExpectedText) {
  FakeOptions options;
  options.script = [](const FakeSight& sight) { return sight.visible.back().token + 1; };  // counts on
  FakeModelRunner runner{options};
  const EvalSubject subject = SubjectOf(runner, 2);
  auto stream = EvalStream::Create(subject, kShape);
  ASSERT_TRUE(stream.ok());
  const auto counted = stream->Predict({7, 3}, {4, 5, 6});
  ASSERT_TRUE(counted.ok()) << counted.status();
  EXPECT_TRUE(counted->exact);
  EXPECT_EQ(counted->losses.size(), 3u);
  EXPECT_EQ(stream->num_tokens(), 4);  // the last token of the answer is not fed
  EXPECT_FALSE(stream->Predict({3}, {4, 6})->exact);
}

TEST(EvalStreamTest, ForksGoApartAndNotesAreSeen) {
  FakeModelRunner runner{FakeOptions{}};
  const EvalSubject subject = SubjectOf(runner);
  auto stream = EvalStream::Create(subject, {.sink_tokens = 1, .note_tokens = 4, .window_tokens = 8});
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(stream->Feed(SomeText(20)).ok());
  auto noted = stream->Fork();
  ASSERT_TRUE(noted.ok());
  ASSERT_TRUE(noted->SetNotes({1, 2, 3}).ok());
  ASSERT_TRUE(stream->FeedForLogits({5}).ok());
  ASSERT_TRUE(noted->FeedForLogits({5}).ok());
  EXPECT_NE(Loss(stream->logits(), 1), Loss(noted->logits(), 1));
  ASSERT_TRUE(noted->Restart().ok());
  EXPECT_EQ(noted->num_tokens(), 0);
  EXPECT_EQ(stream->num_tokens(), 21);
}

TEST(EvalStreamTest, TurnsBeginAtEverySoManyTokens) {
  FakeModelRunner runner{FakeOptions{}};
  const std::vector<TokenId> text = SomeText(60);
  const EvalEviction turn_wise = {.policy = EvictionPolicy::kTurnWise, .turn_tokens = 3};
  const std::vector<double> losses = LossesOf(SubjectOf(runner, 1), text, turn_wise);
  EXPECT_EQ(LossesOf(SubjectOf(runner, 7), text, turn_wise), losses);
  EXPECT_NE(LossesOf(SubjectOf(runner, 7), text), losses);
  // The same by hand.
  const EvalSubject subject = SubjectOf(runner);
  auto stream = EvalStream::Create(subject, kShape, {.policy = EvictionPolicy::kTurnWise});
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (i % 3 == 0) stream->BeginTurn();
    ASSERT_TRUE(stream->FeedForLogits({text[i]}).ok());
    EXPECT_EQ(Loss(stream->logits(), text[i + 1]), losses[i]);
  }
}

TEST(EvalStreamTest, SaysWhatIsWrong) {
  FakeModelRunner runner{FakeOptions{}};
  EvalSubject subject = SubjectOf(runner);
  EXPECT_TRUE(CheckTokens(subject, {1, 255}).ok());
  EXPECT_THAT(std::string(CheckTokens(subject, {1, 256}).message()), HasSubstr("token id 256"));
  EXPECT_THAT(MessageOf(EvalStream::Create(subject, kShape, {.turn_tokens = -1})), HasSubstr("turn_tokens is -1"));
  subject.chunk_tokens = 0;
  EXPECT_THAT(std::string(CheckTokens(subject, {1}).message()), HasSubstr("chunk_tokens is 0"));
  EXPECT_EQ(*ParseEvictionPolicy("token_wise"), EvictionPolicy::kTokenWise);
  EXPECT_EQ(*ParseEvictionPolicy("turn_wise"), EvictionPolicy::kTurnWise);
  EXPECT_FALSE(ParseEvictionPolicy("turn").ok());
}

}  // namespace
}  // namespace perennial
