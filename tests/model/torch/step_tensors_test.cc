#include "model/torch/step_tensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

namespace perennial {
namespace {

constexpr int32_t kBlock = KvCachePool::kBlockSlots;
constexpr SlotLayout kLayout = {.num_layers = 1, .num_kv_heads = 2, .head_size = 16, .dtype = at::kFloat};

class StepTensorsTest : public ::testing::Test {
 protected:
  StepTensorsTest() {
    pool_ = *KvCachePool::Create(kLayout, at::kCPU, 8 * kBlock * kLayout.slot_bytes());
    auto gap = *pool_->Take(kBlock);    // block 0
    auto first = *pool_->Take(kBlock);  // block 1
    gap.reset();
    auto second = *pool_->Take(kBlock);  // block 0
    straight_ = std::move(first);
    other_ = std::move(second);
  }

  static PlannedInput Stream(const CacheBlocks& blocks, const CacheShape& shape, int64_t num_tokens,
                             const std::vector<TokenId>& tokens, const std::vector<int64_t>& window_begin) {
    return {&blocks, shape.capacity(), tokens, {PlanStream(shape, num_tokens, 0, window_begin, {})}};
  }

  const std::vector<RopeFrequencies> ropes_ = {ComputeRopeFrequencies(Rope(), 16)};
  std::unique_ptr<KvCachePool> pool_;
  std::unique_ptr<CacheBlocks> straight_, other_;
};

TEST_F(StepTensorsTest, InputsLieOneBelowTheOther) {
  const CacheShape shape = {.sink_tokens = 1, .note_tokens = 0, .window_tokens = 8};
  const std::vector<TokenId> two = {5, 6}, one = {7};
  const std::vector<int64_t> two_begins = {1, 1}, one_begin = {3};
  const StepTensors step = MakeStepTensors(
      {Stream(*straight_, shape, 0, two, two_begins), Stream(*other_, shape, 10, one, one_begin)}, ropes_, at::kCPU);
  EXPECT_EQ(step.tokens[2].item<int64_t>(), 7);
  ASSERT_EQ(step.inputs[0].size(), 2u);
  EXPECT_EQ(step.inputs[0][1].first_row, 2);
  EXPECT_EQ(step.inputs[0][1].num_rows, 1);
  ASSERT_EQ(step.rotations[0].index_cosines.sizes(), at::IntArrayRef({3, 1, 8}));
  // The gap is closed for the third row only: its place is 1 + 10 - 3 = 8.
  ASSERT_TRUE(step.rotations[0].place_cosines.defined());
  EXPECT_NEAR(step.rotations[0].place_cosines[2][0][0].item<float>(), std::cos(8.0), 1e-6);
  EXPECT_NEAR(step.rotations[0].index_cosines[2][0][0].item<float>(), std::cos(10.0), 1e-6);
  // Row 0 is a sink and row 2 a single token: written before. Row 1 is windowed: after.
  EXPECT_EQ(step.writes_before.count, 2);
  EXPECT_EQ(step.writes_before.step_rows[1].item<int64_t>(), 2);
  EXPECT_EQ(step.writes_after.count, 1);
  EXPECT_EQ(step.writes_after.pool_rows[0].item<int64_t>(), straight_->RowOf(1));
}

TEST_F(StepTensorsTest, PureDecodingWritesAllRowsInOneGo) {
  const CacheShape shape = {.sink_tokens = 0, .note_tokens = 0, .window_tokens = 8};
  const std::vector<TokenId> token = {3};
  const std::vector<int64_t> begin = {0};
  const StepTensors step = MakeStepTensors(
      {Stream(*straight_, shape, 4, token, begin), Stream(*other_, shape, 6, token, begin)}, ropes_, at::kCPU);
  EXPECT_EQ(step.writes_before.count, 2);
  EXPECT_FALSE(step.writes_before.step_rows.defined());
  EXPECT_EQ(step.writes_after.count, 0);
  EXPECT_FALSE(step.rotations[0].place_cosines.defined());
  EXPECT_FALSE(step.inputs[0][0].mask.defined());
}

// Two ways of looking at the cache: everything, and a window of three with distances.
TEST_F(StepTensorsTest, EveryViewHasItsInputs) {
  const CacheShape shape = {.sink_tokens = 0, .note_tokens = 0, .window_tokens = 8};
  const std::vector<TokenId> token = {3};
  const std::vector<int64_t> begin = {0};
  PlannedInput input = Stream(*straight_, shape, 6, token, begin);
  input.plans.push_back(PlanStream(shape, 6, 0, begin, {.layer_window = 3, .distances = true}));
  const StepTensors step = MakeStepTensors({input}, {}, at::kCPU);
  EXPECT_TRUE(step.rotations.empty());
  ASSERT_EQ(step.inputs.size(), 2u);
  EXPECT_EQ(step.inputs[0][0].num_keys, 7);
  EXPECT_FALSE(step.inputs[0][0].distances.defined());
  EXPECT_EQ(step.inputs[1][0].num_keys, 3);
  ASSERT_TRUE(step.inputs[1][0].distances.defined());
  EXPECT_EQ(step.inputs[1][0].distances[0][0].item<float>(), 2.0f);
  EXPECT_EQ(step.writes_before.count, 1);
}

TEST_F(StepTensorsTest, ScatteredSlotsAreGathered) {
  const CacheShape shape = {.sink_tokens = 0, .note_tokens = 0, .window_tokens = kBlock + 4};
  const std::vector<TokenId> token = {3};
  const std::vector<int64_t> begin = {0};
  auto rest = *pool_->Take(6 * kBlock);  // blocks 2 to 7
  other_.reset();                        // block 0 and …
  rest.reset();
  auto most = *pool_->Take(5 * kBlock);  // … after this block 7 are free
  const auto scattered = pool_->Take(2 * kBlock);
  ASSERT_TRUE(scattered.ok());
  const StepTensors step = MakeStepTensors({Stream(**scattered, shape, kBlock + 1, token, begin)}, ropes_, at::kCPU);
  ASSERT_EQ(step.inputs[0][0].runs.size(), 1u);
  const KeyRows& run = step.inputs[0][0].runs[0];
  ASSERT_TRUE(run.index.defined());
  EXPECT_EQ(run.num_rows, kBlock + 2);
  EXPECT_EQ(run.index[kBlock - 1].item<int64_t>(), kBlock - 1);
  EXPECT_EQ(run.index[kBlock].item<int64_t>(), 7 * kBlock);
}

}  // namespace
}  // namespace perennial
