#include "model/torch/torch_kv_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace perennial {
namespace {

constexpr SlotLayout kLayout = {.num_layers = 1, .num_kv_heads = 1, .head_size = 2, .dtype = at::kFloat};

class TorchKvCacheTest : public ::testing::Test {
 protected:
  const CacheShape shape_ = {.sink_tokens = 2, .note_tokens = 1, .window_tokens = 5};
  std::unique_ptr<KvCachePool> pool_ = *KvCachePool::Create(kLayout, at::kCPU, 1024);
  TorchKvCache cache_{nullptr, shape_, *pool_->Take(shape_.capacity())};
};

TEST_F(TorchKvCacheTest, WindowTokensStayIntactForWTokens) {
  EXPECT_EQ(cache_.intact_begin(), 2);
  cache_.Append(7);
  EXPECT_EQ(cache_.intact_begin(), 2);
  cache_.Append(3);
  EXPECT_EQ(cache_.intact_begin(), 5);
  EXPECT_TRUE(cache_.CheckWindowBegin(std::vector<int64_t>{6, 6}).ok());
}

TEST_F(TorchKvCacheTest, OverwrittenTokensCannotBeSeenAfterARewind) {
  cache_.Append(10);
  cache_.Truncate(8);
  EXPECT_EQ(cache_.num_tokens(), 8);
  EXPECT_EQ(cache_.CheckWindowBegin(std::vector<int64_t>{4}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(cache_.CheckWindowBegin(std::vector<int64_t>{5}).ok());
}

TEST_F(TorchKvCacheTest, ARewindBeyondTheWindowBeginsANewOne) {
  cache_.Append(20);
  cache_.Truncate(9);
  EXPECT_EQ(cache_.intact_begin(), 9);
  EXPECT_TRUE(cache_.CheckWindowBegin(std::vector<int64_t>{9}).ok());
  EXPECT_FALSE(cache_.CheckWindowBegin(std::vector<int64_t>{8}).ok());
  cache_.Truncate(1);
  EXPECT_EQ(cache_.intact_begin(), 2);
  EXPECT_TRUE(cache_.CheckWindowBegin(std::vector<int64_t>{2}).ok());
}

TEST_F(TorchKvCacheTest, CopiesAndImportsCarryTheState) {
  TorchKvCache other(nullptr, shape_, *pool_->Take(shape_.capacity()));
  cache_.Append(9);
  cache_.set_num_notes(1);
  other.CopyState(cache_);
  EXPECT_EQ(other.num_tokens(), 9);
  EXPECT_EQ(other.num_notes(), 1);
  EXPECT_EQ(other.intact_begin(), 4);
  other.RestoreState(30, 0);
  EXPECT_EQ(other.num_tokens(), 30);
  EXPECT_EQ(other.num_notes(), 0);
  EXPECT_EQ(other.intact_begin(), 25);
}

TEST_F(TorchKvCacheTest, HoldsItsBlocksForLife) { EXPECT_EQ(cache_.size_bytes(), pool_->block_bytes()); }

}  // namespace
}  // namespace perennial
