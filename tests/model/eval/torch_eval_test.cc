// Measurements on the real runner, with a small checkpoint made by a formula: what the fake cannot show is that the
// figures hold in floating point, whatever the chunk.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "model/eval/decode_time.h"
#include "model/eval/length.h"
#include "model/eval/perplexity.h"
#include "model/torch/torch_model_runner.h"
#include "tests/model/eval/eval_fixture.h"
#include "tests/model/torch/formula_checkpoint.h"

namespace perennial {
namespace {

constexpr double kRounding = 1e-5;

std::unique_ptr<ModelRunner> Runner() {
  TorchOptions options;
  options.dtype = "float32";
  options.cache_memory_bytes = 8 << 20;
  options.max_tokens_per_step = 128;
  options.num_threads = 1;
  return ValueOf(CreateTorchModelRunner(FormulaCheckpoint(SmallConfig()), options));
}

TEST(TorchEvalTest, PerplexityDoesNotDependOnTheChunk) {
  const std::unique_ptr<ModelRunner> runner = Runner();
  ASSERT_NE(runner, nullptr);
  const std::vector<TokenId> tokens = SomeText(150);
  for (const EvalAttention attention : {EvalAttention::kSinks, EvalAttention::kDense, EvalAttention::kRecompute}) {
    const PerplexityOptions options = {.attention = attention, .cache_tokens = 24, .recompute_every = 7};
    const double expected = ValueOf(MeasureLosses(SubjectOf(*runner, 1), tokens, options)).perplexity();
    EXPECT_GT(expected, 1);
    for (const int32_t chunk : {7, 64, 128}) {
      EXPECT_NEAR(ValueOf(MeasureLosses(SubjectOf(*runner, chunk), tokens, options)).perplexity() / expected, 1,
                  kRounding)
          << EvalAttentionName(attention) << " " << chunk;
    }
  }
}

// What the window forgot leaves no trace: a stream whose sinks are the block's own first tokens is the block alone.
TEST(TorchEvalTest, AStreamIsAsGoodAsAnEmptyCacheWhereItsTextRepeats) {
  const std::unique_ptr<ModelRunner> runner = Runner();
  ASSERT_NE(runner, nullptr);
  const EvalSubject subject = SubjectOf(*runner, 32);
  std::vector<TokenId> tokens;
  for (int block = 0; block < 4; ++block) {
    const std::vector<TokenId> text = SomeText(100);
    tokens.insert(tokens.end(), text.begin(), text.end());
  }
  tokens.push_back(SomeText(1)[0]);
  const LengthOptions options = {.shape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 20},
                                 .block_tokens = 100,
                                 .compare_every = 1,
                                 .time_at = {150, 350},
                                 .decoded_tokens = 30};
  const Report report = ValueOf(RunLength(subject, tokens, options));
  // All blocks after the first have the same text behind them as well.
  EXPECT_NEAR(report.Number("blocks", 2, "perplexity") / report.Number("blocks", 1, "perplexity"), 1, kRounding);
  EXPECT_NEAR(report.Number("blocks", 3, "perplexity") / report.Number("blocks", 1, "perplexity"), 1, kRounding);
  EXPECT_NEAR(report.Number("blocks", 0, "ratio"), 1, kRounding);
  EXPECT_NEAR(report.Number("blocks", 3, "ratio"), 1, 0.2);
  EXPECT_EQ(report.Table("points").rows.size(), 2u);
}

TEST(TorchEvalTest, RecomputingALargerCacheTakesLonger) {
  const std::unique_ptr<ModelRunner> runner = Runner();
  ASSERT_NE(runner, nullptr);
  const EvalSubject subject = SubjectOf(*runner, 128);
  const Report report = ValueOf(RunSpeed(subject, SomeText(600), {.cache_tokens = {16, 512}, .decoded_tokens = 9}));
  EXPECT_GT(report.Number("caches", 1, "speedup"), report.Number("caches", 0, "speedup"));
}

}  // namespace
}  // namespace perennial
