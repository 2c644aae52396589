#include "model/logit_blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <vector>

namespace perennial {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<float> SomeLogits(size_t size) {
  std::mt19937 random(3);
  std::vector<float> logits(size);
  for (float& logit : logits) logit = static_cast<float>(random() >> 8) * 0x1p-24f * 30.0f - 20.0f;
  return logits;
}

TEST(LogitBlocksTest, ExpOfMinusIsExp) {
  EXPECT_EQ(ExpOfMinus(0.0f), 1.0f);
  EXPECT_EQ(ExpOfMinus(87.5f), 0.0f);
  EXPECT_EQ(ExpOfMinus(kInfinity), 0.0f);
  for (float x = 1e-6f; x < 87.0f; x *= 1.01f) EXPECT_NEAR(ExpOfMinus(x) / std::exp(-double{x}), 1.0, 2.5e-7) << x;
}

TEST(LogitBlocksTest, CleansAndPads) {
  LogitBlocks blocks;
  for (size_t size : {0u, 1u, 63u, 64u, 65u, 1000u}) {
    std::vector<float> logits = SomeLogits(size);
    if (size > 2) logits[1] = kNaN;
    if (size > 64) logits[64] = kInfinity;
    blocks.Assign(logits);
    blocks.Refresh();
    ASSERT_EQ(blocks.size() % LogitBlocks::kBlock, 0u);
    ASSERT_EQ(blocks.num_blocks(), blocks.size() / LogitBlocks::kBlock);
    float highest = LogitBlocks::kNever;
    for (size_t i = 0; i < blocks.size(); ++i) {
      const float expected =
          i >= size || std::isnan(logits[i]) ? LogitBlocks::kNever : std::min(logits[i], LogitBlocks::kLargest);
      ASSERT_EQ(blocks.data()[i], expected) << i;
      highest = std::max(highest, expected);
    }
    EXPECT_EQ(blocks.highest(), highest);
    EXPECT_FALSE(blocks.Has(static_cast<TokenId>(size)));
    EXPECT_FALSE(blocks.Has(-1));
  }
}

TEST(LogitBlocksTest, EditsMoveTheHighest) {
  LogitBlocks blocks;
  blocks.Assign(std::vector<float>(200, 1.0f));
  blocks.Set(150, 5.0f);
  blocks.Set(10, 3.0f);
  blocks.Refresh();
  EXPECT_EQ(blocks.Highest(), 150);
  blocks.Set(150, LogitBlocks::kNever);
  blocks.Refresh();
  EXPECT_EQ(blocks.Highest(), 10);
  EXPECT_EQ(blocks.highest_of_blocks()[2], 1.0f);
}

TEST(LogitBlocksTest, KeepsOnlyWhatIsAllowed) {
  LogitBlocks blocks;
  std::vector<uint32_t> allowed = {0, 1u << 31, ~0u, ~0u, 0, 0};  // token 63, 64 … 127, nothing after
  blocks.Assign(SomeLogits(300));
  blocks.KeepOnly(allowed);
  blocks.Refresh();
  for (TokenId token = 0; token < 300; ++token) {
    EXPECT_EQ(blocks.Get(token) != LogitBlocks::kNever, token >= 63 && token < 128) << token;
  }
  EXPECT_EQ(blocks.highest(), *std::max_element(blocks.data() + 63, blocks.data() + 128));
  EXPECT_EQ(blocks.highest_of_blocks()[3], LogitBlocks::kNever);
}

TEST(LogitBlocksTest, WeighsAsExpDoes) {
  LogitBlocks blocks;
  std::vector<float> logits = SomeLogits(1000);
  logits[77] = -kInfinity;
  blocks.Assign(logits);
  blocks.Refresh();
  for (float inverse_temperature : {0.1f, 1.0f, 4.0f, 1e30f}) {
    double total = 0.0;
    double information = 0.0;
    std::vector<double> mass;
    std::vector<double> expected(blocks.num_blocks());
    for (size_t i = 0; i < logits.size(); ++i) {
      const double x = (double{blocks.highest()} - logits[i]) * inverse_temperature;
      if (x > 87.0) continue;
      expected[i / LogitBlocks::kBlock] += std::exp(-x);
      total += std::exp(-x);
      information += x * std::exp(-x);
    }
    EXPECT_NEAR(blocks.Weigh(inverse_temperature, mass), total, 1e-6 * total);
    EXPECT_THAT(mass, testing::Pointwise(testing::DoubleNear(1e-5), expected));
    double weighed = 0.0;
    EXPECT_NEAR(blocks.WeighInformation(inverse_temperature, weighed), information, 1e-5 * information + 1e-9);
    EXPECT_NEAR(weighed, total, 1e-6 * total);
  }
}

// Whatever vectors this machine has: sixteen lanes, put together by halves, and the scalar ExpOfMinus.
TEST(LogitBlocksTest, SumsHaveTheSameBitsOnEveryMachine) {
  LogitBlocks blocks;
  blocks.Assign(SomeLogits(1024));
  blocks.Refresh();
  std::vector<double> mass;
  blocks.Weigh(0.7f, mass);
  for (size_t block = 0; block < mass.size(); ++block) {
    float lanes[16] = {};
    for (size_t i = 0; i < LogitBlocks::kBlock; ++i) {
      lanes[i % 16] += ExpOfMinus((blocks.highest() - blocks.data()[block * LogitBlocks::kBlock + i]) * 0.7f);
    }
    for (size_t half = 8; half > 0; half /= 2) {
      for (size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    }
    EXPECT_EQ(mass[block], double{lanes[0]});
  }
}

}  // namespace
}  // namespace perennial
