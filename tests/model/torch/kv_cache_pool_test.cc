#include "model/torch/kv_cache_pool.h"

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

namespace perennial {
namespace {

constexpr int32_t kBlock = KvCachePool::kBlockSlots;
constexpr SlotLayout kLayout = {.num_layers = 2, .num_kv_heads = 1, .head_size = 4, .dtype = at::kFloat};

std::unique_ptr<KvCachePool> MakePool(int64_t num_blocks) {
  auto pool = KvCachePool::Create(kLayout, at::kCPU, num_blocks * kBlock * kLayout.slot_bytes());
  if (!pool.ok()) ADD_FAILURE() << pool.status();
  return *std::move(pool);
}

TEST(KvCachePoolTest, HoldsWholeBlocksOfTheMemoryGiven) {
  EXPECT_EQ(kLayout.slot_bytes(), 2 * 2 * 1 * 4 * 4);
  auto pool = KvCachePool::Create(kLayout, at::kCPU, 3 * kBlock * kLayout.slot_bytes() + 1);
  ASSERT_TRUE(pool.ok());
  EXPECT_EQ((*pool)->num_blocks(), 3);
  EXPECT_EQ((*pool)->num_free_blocks(), 3);
}

TEST(KvCachePoolTest, RefusesMemoryForNoBlock) {
  const auto pool = KvCachePool::Create(kLayout, at::kCPU, 100);
  EXPECT_EQ(pool.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(KvCachePoolTest, SaysWhatIsFreeWhenTooLittleIs) {
  const auto pool = MakePool(3);
  const auto taken = pool->Take(2 * kBlock);
  ASSERT_TRUE(taken.ok());
  const auto refused = pool->Take(kBlock + 1);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(refused.status().message().find("1024 of 3072 are free"), std::string::npos) << refused.status();
  EXPECT_TRUE(pool->Take(kBlock).ok());
}

TEST(KvCachePoolTest, BlocksComeBackWhenACacheEnds) {
  const auto pool = MakePool(2);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(pool->Take(2 * kBlock).ok());
  EXPECT_EQ(pool->num_free_blocks(), 2);
}

TEST(KvCachePoolTest, CachesAreZeroedAgain) {
  const auto pool = MakePool(1);
  {
    const auto taken = pool->Take(kBlock);
    at::Tensor rows = pool->rows();
    rows.fill_(7.0f);
  }
  const auto taken = pool->Take(1);
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(pool->rows().abs().max().item<float>(), 0.0f);
}

// Sessions of different sizes: what is free serves any of them, wherever it lies.
TEST(KvCachePoolTest, ScatteredBlocksServeALargeCache) {
  const auto pool = MakePool(6);
  std::vector<std::unique_ptr<CacheBlocks>> caches;
  for (int i = 0; i < 6; ++i) caches.push_back(*pool->Take(kBlock));
  caches[1].reset();
  caches[3].reset();
  caches[4].reset();
  const auto large = pool->Take(3 * kBlock);
  ASSERT_TRUE(large.ok()) << large.status();
  EXPECT_EQ((*large)->RowOf(0), kBlock);
  EXPECT_EQ((*large)->RowOf(kBlock), 3 * kBlock);
  EXPECT_FALSE((*large)->IsOneStretch(0, 3 * kBlock));
  EXPECT_FALSE((*large)->IsOneStretch(kBlock - 1, 2));
  EXPECT_TRUE((*large)->IsOneStretch(kBlock, 2 * kBlock));
  const at::Tensor index = (*large)->RowIndex(kBlock - 1, 2);
  EXPECT_EQ(index[0].item<int64_t>(), 2 * kBlock - 1);
  EXPECT_EQ(index[1].item<int64_t>(), 3 * kBlock);
}

TEST(KvCachePoolTest, PrefersTheSmallestStretchThatFits) {
  const auto pool = MakePool(6);
  std::vector<std::unique_ptr<CacheBlocks>> caches;
  for (int i = 0; i < 4; ++i) caches.push_back(*pool->Take(kBlock));
  caches[1].reset();  // free: block 1, and blocks 4 and 5
  EXPECT_EQ((*pool->Take(kBlock))->RowOf(0), kBlock);
  EXPECT_EQ((*pool->Take(2 * kBlock))->RowOf(0), 4 * kBlock);
}

TEST(KvCachePoolTest, LayersAreViewsOfOneAllocation) {
  const auto pool = MakePool(2);
  at::Tensor rows = pool->rows();
  rows.zero_();  // only what is lent is zeroed
  rows.select(0, 1).select(0, 0).fill_(1.0f);
  EXPECT_EQ(pool->keys(1).sum().item<float>(), 2 * kBlock * 4);
  EXPECT_EQ(pool->values(1).sum().item<float>(), 0.0f);
  EXPECT_EQ(pool->keys(0).sum().item<float>(), 0.0f);
}

}  // namespace
}  // namespace perennial
