#include <gtest/gtest.h>

#include "model/checkpoint/family.h"
#include "tests/model/checkpoint/golden_config.h"

namespace perennial {
namespace {

TEST(FamilyGptNeoxTest, ReadsBothForms) { ExpectPublishedFormReadsTheSame("gpt_neox"); }

TEST(FamilyGptNeoxTest, RotatesAQuarterInParallelBlocks) {
  const auto config = ReadGoldenConfig("gpt_neox", {}, "published");
  EXPECT_EQ(config->block, BlockShape::kParallelTwoNorms);
  EXPECT_EQ(config->rotary_size, 4);
  EXPECT_EQ(config->activation, Activation::kGelu);
  EXPECT_TRUE(config->qkv_bias);
  EXPECT_TRUE(config->feed_forward_bias);
  EXPECT_EQ(ReadGoldenConfig("gpt_neox_sequential")->block, BlockShape::kSequential);
  EXPECT_FALSE(ReadGoldenConfig("gpt_neox", {{"attention_bias", false}})->qkv_bias);
}

}  // namespace
}  // namespace perennial
