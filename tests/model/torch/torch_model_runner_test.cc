// What the torch runner promises beyond the contract of all runners: options, limits, memory, layouts, number types.

#include "model/torch/torch_model_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/sink_window.h"
#include "tests/model/contract_stream.h"
#include "tests/model/torch/golden_stream.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr CacheShape kShape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 12};

LogitTable RunStream(ModelRunner& runner, const CacheShape& shape, size_t chunk) {
  auto cache = runner.NewCache(shape);
  if (!cache.ok()) ADD_FAILURE() << cache.status();
  const std::vector<TokenId> tokens = SomeTokens(64, 50, 7);
  SinkWindow window(shape, EvictionPolicy::kTokenWise);
  return FeedAll(runner, **cache, tokens, window.Advance(50), chunk);
}

float TableDifference(const LogitTable& a, const LogitTable& b) {
  float largest = a.size() == b.size() ? 0.0f : INFINITY;
  for (size_t row = 0; row < std::min(a.size(), b.size()); ++row)
    largest = std::max(largest, RowDifference(a[row], b[row]));
  return largest;
}

TEST(TorchModelRunnerTest, NamesTheOptionThatIsWrong) {
  const FormulaCheckpoint checkpoint(SmallConfig());
  const auto message = [&](auto change) {
    TorchOptions options;
    options.cache_memory_bytes = 1 << 20;
    change(options);
    const auto runner = CreateTorchModelRunner(checkpoint, options);
    EXPECT_EQ(runner.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(runner.status().message());
  };
  EXPECT_THAT(message([](TorchOptions& o) { o.device = "tpu"; }), HasSubstr("device is \"tpu\""));
  EXPECT_THAT(message([](TorchOptions& o) { o.dtype = "float8"; }), HasSubstr("dtype is \"float8\""));
  EXPECT_THAT(message([](TorchOptions& o) { o.cache_memory_bytes = 0; }), HasSubstr("cache_memory_bytes is 0"));
  EXPECT_THAT(message([](TorchOptions& o) { o.cache_memory_bytes = 50; }), HasSubstr("cache memory of 50 bytes"));
  EXPECT_THAT(message([](TorchOptions& o) { o.max_tokens_per_step = 0; }), HasSubstr("max_tokens_per_step is 0"));
  EXPECT_THAT(message([](TorchOptions& o) { o.num_threads = -1; }), HasSubstr("num_threads is -1"));
}

TEST(TorchModelRunnerTest, LimitsAreTheModelsAndThePools) {
  const auto runner = MakeSmallRunner(FormulaCheckpoint(SmallConfig()));
  const RunnerLimits& limits = runner->limits();
  EXPECT_EQ(limits.vocab_size, 64);
  EXPECT_EQ(limits.trained_tokens, 4096);
  EXPECT_EQ(limits.cache_bytes_per_token, 2 * 2 * 2 * 16 * 4);
  EXPECT_EQ(limits.cache_memory_bytes, 1 << 20);
  EXPECT_EQ(limits.max_cache_tokens, (1 << 20) / limits.cache_bytes_per_token);
  if (TestDevice() == "cpu") {
    EXPECT_EQ(runner->Description(), "torch cpu float32, 1 thread");
  } else {
    EXPECT_THAT(runner->Description(), MatchesRegex("torch cuda:[0-9]+ float32"));
  }
  EXPECT_EQ(runner->CacheBytes(kShape), 16 * limits.cache_bytes_per_token);
}

TEST(TorchModelRunnerTest, AQuarterOfTheGpusFreeMemoryOnRequest) {
  TorchOptions options;
  options.device = TestDevice();
  options.cache_memory_bytes = kQuarterOfFreeMemory;
  const auto runner = CreateTorchModelRunner(FormulaCheckpoint(SmallConfig()), options);
  if (TestDevice() == "cpu") {
    EXPECT_EQ(runner.status().code(), absl::StatusCode::kInvalidArgument);
  } else {
    ASSERT_TRUE(runner.ok()) << runner.status();
    EXPECT_GT((*runner)->limits().cache_memory_bytes, int64_t{64} << 20);
  }
}

TEST(TorchModelRunnerTest, RefusesACacheBeyondTheTrainedLength) {
  ModelConfig config = SmallConfig();
  config.trained_tokens = 15;
  const FormulaCheckpoint checkpoint(config);
  const auto refused = MakeSmallRunner(checkpoint)->NewCache(kShape);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("trained for 15"));
  TorchOptions options;
  options.cache_memory_bytes = 1 << 20;
  options.allow_untrained_length = true;
  const auto runner = CreateTorchModelRunner(checkpoint, options);
  ASSERT_TRUE(runner.ok());
  EXPECT_TRUE((*runner)->NewCache(kShape).ok());
}

TEST(TorchModelRunnerTest, TakesOnlyItsOwnCaches) {
  const FormulaCheckpoint checkpoint(SmallConfig());
  const auto one = MakeSmallRunner(checkpoint), two = MakeSmallRunner(checkpoint);
  const auto cache = one->NewCache(kShape);
  EXPECT_EQ(two->Truncate(**cache, 0).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(two->Clone(**cache).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(TorchModelRunnerTest, ARefusedStepChangesNothing) {
  const auto runner = MakeSmallRunner(FormulaCheckpoint(SmallConfig()));
  const auto cache = runner->NewCache(kShape);
  SinkWindow window(kShape, EvictionPolicy::kTokenWise);
  FeedAll(*runner, **cache, SomeTokens(64, 30, 1), window.Advance(30), 30);
  ASSERT_TRUE(runner->Truncate(**cache, 28).ok());
  StepOutput output;
  // Token 17 was overwritten by token 29, although it would lie in the window of token 28.
  const std::vector<TokenId> token = {1};
  const std::vector<int64_t> begin = {17};
  const absl::Status status =
      runner->Step({StepInput{.cache = cache->get(), .tokens = token, .window_begin = begin}}, output);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("overwritten"));
  EXPECT_EQ((*cache)->num_tokens(), 28);
}

// Bitwise: a cache assembled from scattered blocks is the same cache.
TEST(TorchModelRunnerTest, ScatteredBlocksGiveTheSameLogits) {
  const CacheShape shape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 36};
  const CacheShape small = {.sink_tokens = 0, .note_tokens = 0, .window_tokens = 16};
  const auto runner = MakeSmallRunner(FormulaCheckpoint(SmallConfig()), "float32", 8 * 16 * 512);
  const LogitTable expected = RunStream(*runner, shape, 6);
  std::vector<std::unique_ptr<KvCache>> caches;
  for (int i = 0; i < 8; ++i) caches.push_back(*runner->NewCache(small));
  for (const size_t i : {1, 4, 6}) caches[i].reset();
  EXPECT_EQ(TableDifference(RunStream(*runner, shape, 6), expected), 0.0f);
  EXPECT_LE(TableDifference(RunStream(*runner, shape, 1), expected), 1e-4f);
}

// The same network, its q and k rows stored in the other order: GGUF's layout.
TEST(TorchModelRunnerTest, BothRopeLayoutsGiveTheSameLogits) {
  ModelConfig config = SmallConfig();
  const LogitTable expected = RunStream(*MakeSmallRunner(FormulaCheckpoint(config)), kShape, 5);
  config.rope_layout = RopeLayout::kInterleaved;
  FormulaCheckpoint interleaved(config);
  for (int layer = 0; layer < 2; ++layer) {
    for (const auto& [letter, heads] : {std::pair{"q", 4}, std::pair{"k", 2}}) {
      const std::string name = "layers." + std::to_string(layer) + ".self_attn." + letter + "_proj.weight";
      std::vector<float> values;
      for (int row = 0; row < heads * 16; ++row) {
        const int pair = row % 16 / 2, half = row % 2;
        const int source = row / 16 * 16 + half * 8 + pair;
        for (int column = 0; column < 48; ++column) {
          values.push_back(FormulaWeight(name, {heads * 16, 48}, source * 48 + column));
        }
      }
      interleaved.Set(name, values);
    }
  }
  EXPECT_EQ(TableDifference(RunStream(*MakeSmallRunner(interleaved), kShape, 5), expected), 0.0f);
}

TEST(TorchModelRunnerTest, Bfloat16IsCloseToFloat32) {
  const FormulaCheckpoint checkpoint(SmallConfig());
  const LogitTable expected = RunStream(*MakeSmallRunner(checkpoint), kShape, 5);
  const auto runner = MakeSmallRunner(checkpoint, "bfloat16");
  EXPECT_EQ(runner->limits().cache_bytes_per_token, 256);
  for (const size_t chunk : {1, 5, 50}) {
    const float difference = TableDifference(RunStream(*runner, kShape, chunk), expected);
    EXPECT_GT(difference, 0.0f);
    EXPECT_LT(difference, 0.15f) << "logits up to 4, bfloat16 has 8 bits";
  }
}

}  // namespace
}  // namespace perennial
