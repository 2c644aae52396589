#include <gtest/gtest.h>

#include "model/checkpoint/family.h"
#include "tests/model/checkpoint/golden_config.h"

namespace perennial {
namespace {

TEST(FamilyMptTest, ReadsBothForms) { ExpectPublishedFormReadsTheSame("mpt"); }

TEST(FamilyMptTest, HasAlibiAndNoBiases) {
  const auto config = ReadGoldenConfig("mpt");
  EXPECT_EQ(config->rotary_size, 0);
  EXPECT_TRUE(config->ropes.empty());
  EXPECT_EQ(config->alibi_slopes, (std::vector<float>{0.25f, 0.0625f, 0.015625f, 0.00390625f}));
  EXPECT_FALSE(config->norm_bias);
  EXPECT_FALSE(config->feed_forward_bias);
  EXPECT_TRUE(config->tied_embeddings);
  EXPECT_EQ(config->qkv_clip, 0.0);
  EXPECT_EQ(ReadGoldenConfig("mpt_clipped_six_heads")->qkv_clip, 1.5);
  EXPECT_EQ(ReadGoldenConfig("mpt_softmax_scale")->attention_scale, 0.5);
}

TEST(FamilyMptTest, RefusesWhatItWouldGetWrong) {
  const auto attention = [](const nlohmann::json& members) {
    return ReadGoldenConfig("mpt", {{"attn_config", members}}).status();
  };
  ExpectUnimplemented(attention({{"alibi", false}}), "learned positions are not supported");
  ExpectUnimplemented(attention({{"qk_ln", true}}), "attn_config.qk_ln is true");
  ExpectInvalid(attention({{"alibi_bias_max", 0}}), "attn_config.alibi_bias_max");
  ExpectUnimplemented(attention({{"rope", true}}), "attn_config.rope is true");
  ExpectUnimplemented(attention({{"sliding_window_size", 512}}), "attn_config.sliding_window_size is more than 0");
  ExpectUnimplemented(ReadGoldenConfig("mpt", {{"norm_type", "rmsnorm"}}).status(), "norm_type is \"rmsnorm\"");
  ExpectUnimplemented(ReadGoldenConfig("mpt", {{"ffn_config", {{"ffn_act_fn", {{"name", "relu"}}}}}}).status(),
                      "ffn_act_fn.name is \"relu\"");
  ExpectUnimplemented(ReadGoldenConfig("mpt", {{"logit_scale", 2}}).status(), "logit_scale");
  ExpectInvalid(ReadGoldenConfig("mpt", {{"expansion_ratio", -3}}).status(), "expansion_ratio makes no sensible size");
  ExpectInvalid(ReadGoldenConfig("mpt", {{"d_model", 0}}).status(), "d_model is 0");
}

}  // namespace
}  // namespace perennial
