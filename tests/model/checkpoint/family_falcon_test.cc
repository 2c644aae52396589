#include <gtest/gtest.h>

#include "model/checkpoint/family.h"
#include "tests/model/checkpoint/golden_config.h"

namespace perennial {
namespace {

TEST(FamilyFalconTest, ReadsBothForms) {
  for (const char* name : {"falcon_7b", "falcon_40b", "falcon_rw"}) ExpectPublishedFormReadsTheSame(name);
}

TEST(FamilyFalconTest, EverySizeHasItsShape) {
  const auto small = ReadGoldenConfig("falcon_7b");
  EXPECT_EQ(small->block, BlockShape::kParallelOneNorm);
  EXPECT_EQ(small->num_kv_heads, 1);
  EXPECT_EQ(small->feed_forward_size, 256);
  EXPECT_EQ(small->trained_tokens, 2048);
  EXPECT_FALSE(small->qkv_bias);
  EXPECT_TRUE(ReadGoldenConfig("falcon_7b_bias")->feed_forward_bias);
  const auto large = ReadGoldenConfig("falcon_40b");
  EXPECT_EQ(large->block, BlockShape::kParallelTwoNorms);
  EXPECT_EQ(large->num_kv_heads, 2);
  EXPECT_EQ(large->qkv_layout, QkvLayout::kGrouped);
  EXPECT_EQ(ReadGoldenConfig("falcon_11b")->block, BlockShape::kParallelOneNorm);
  EXPECT_EQ(ReadGoldenConfig("falcon_7b_sequential")->block, BlockShape::kSequential);
}

TEST(FamilyFalconTest, RwHasAlibiScaledLikeItsScores) {
  const auto config = ReadGoldenConfig("falcon_rw");
  EXPECT_EQ(config->rotary_size, 0);
  EXPECT_EQ(config->num_kv_heads, 4);
  ASSERT_EQ(config->alibi_slopes.size(), 4u);
  EXPECT_FLOAT_EQ(config->alibi_slopes[0], 0.25f / 4);  // head size 16
}

TEST(FamilyFalconTest, RefusesShapesThatNoFalconHas) {
  ExpectInvalid(ReadGoldenConfig("falcon_40b", {{"parallel_attn", false}}).status(), "parallel_attn is not true");
  ExpectInvalid(ReadGoldenConfig("falcon_40b", {{"num_ln_in_parallel_attn", 3}}).status(), "is not 1 or 2");
}

// llama.cpp's converter stops at it, and its network has neither ALiBi nor sequential blocks for Falcon.
TEST(FamilyFalconTest, SaysThatGgufHasNoWordsForRw) {
  const GgufFile file;
  const GgufMetadata metadata(file);
  for (const bool biased : {true, false}) {
    GgufFields fields(metadata, "falcon");
    TensorTable tensors;
    TensorView norm;
    norm.name = biased ? "blk.0.attn_norm.weight" : "blk.0.ffn_norm.weight";
    ASSERT_TRUE(tensors.Add("layers.0.post_attention_layernorm.weight", norm).ok());
    ModelConfig config;
    config.qkv_bias = biased;
    kFalconFamily.read_gguf(fields, tensors, config);
    ExpectUnimplemented(fields.status(),
                        "a Falcon with biases or sequential blocks (Falcon-RW) is not supported in GGUF");
  }
}

TEST(FamilyFalconTest, NoNumberOfHeadsTakesLong) {
  const auto config = ReadGoldenConfig(
      "falcon_rw", {{"num_attention_heads", 2147483647}, {"num_kv_heads", 2147483647}, {"hidden_size", 2147483647}});
  ExpectInvalid(config.ok() ? ValidateModelConfig(*config) : config.status(), "it must be from 1 to");
}

TEST(FamilyFalconTest, NamesWrongMembers) {
  ExpectInvalid(ReadGoldenConfig("falcon_7b", {{"multi_query", 1}}).status(), "multi_query is not true or false");
  ExpectInvalid(ReadGoldenConfig("falcon_7b", {{"num_hidden_layers", nullptr}}).status(),
                "num_hidden_layers is missing");
}

}  // namespace
}  // namespace perennial
