#include "model/checkpoint/tensor.h"

#include <gtest/gtest.h>

#include <limits>

#include "model/checkpoint/tensor_size.h"
#include "tests/model/checkpoint/expect_error.h"

namespace perennial {
namespace {

TEST(TensorTest, KnowsBlocksOfEveryType) {
  EXPECT_EQ(TensorTypeName(TensorType::kQ6_K), "Q6_K");
  EXPECT_EQ(BlockElements(TensorType::kF32), 1);
  EXPECT_EQ(BlockBytes(TensorType::kBF16), 2);
  EXPECT_EQ(BlockElements(TensorType::kQ5_1), 32);
  EXPECT_EQ(BlockBytes(TensorType::kQ5_1), 24);
  EXPECT_EQ(BlockElements(TensorType::kQ6_K), 256);
  EXPECT_EQ(BlockBytes(TensorType::kQ6_K), 210);
}

TEST(TensorTest, ComputesBytes) {
  EXPECT_EQ(*TensorBytes(TensorType::kF32, {3, 5}), 60u);
  EXPECT_EQ(*TensorBytes(TensorType::kQ4_1, {2, 64}), 80u);
  EXPECT_EQ(*TensorBytes(TensorType::kQ4_K, {256}), 144u);
}

TEST(TensorTest, RefusesShapesThatOverflow) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{kMax, kMax}, {int64_t{1} << 41}, {1 << 21, 1 << 20}, {kMax, 1}}) {
    ExpectInvalid(TensorBytes(TensorType::kF32, shape).status(), "elements allowed");
  }
  EXPECT_TRUE(TensorBytes(TensorType::kF32, {1 << 20, 1 << 20}).ok());
  ExpectInvalid(TensorBytes(TensorType::kF32, {-1}).status(), "dimension of -1");
  ExpectInvalid(TensorBytes(TensorType::kF32, {}).status(), "no dimensions");
  ExpectInvalid(TensorBytes(TensorType::kQ8_0, {32, 16}).status(), "rows of 16 elements");
}

TEST(TensorTest, FindsOverlaps) {
  EXPECT_TRUE(CheckDisjoint({}).ok());
  EXPECT_TRUE(CheckDisjoint({{10, 20, "b"}, {0, 10, "a"}}).ok());
  ExpectInvalid(CheckDisjoint({{9, 20, "b"}, {0, 10, "a"}}), "tensor \"b\" overlaps tensor \"a\" at offset 9");
  EXPECT_FALSE(CheckDisjoint({{0, 10, "a"}, {0, 10, "b"}}).ok());
}

}  // namespace
}  // namespace perennial
