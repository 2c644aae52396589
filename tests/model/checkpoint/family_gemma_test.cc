#include <gtest/gtest.h>

#include <cmath>

#include "model/checkpoint/family.h"
#include "tests/model/checkpoint/golden_config.h"

namespace perennial {
namespace {

TEST(FamilyGemmaTest, ReadsBothForms) {
  for (const char* name : {"gemma2", "gemma3"}) ExpectPublishedFormReadsTheSame(name);
}

TEST(FamilyGemmaTest, Gemma2SlidesEveryOtherLayerAndBoundsSoftly) {
  const auto config = ReadGoldenConfig("gemma2", {}, "published");
  EXPECT_EQ(config->block, BlockShape::kSandwich);
  EXPECT_TRUE(config->norm_adds_one);
  EXPECT_EQ(config->activation, Activation::kGeluTanh);
  EXPECT_EQ(config->attention_softcap, 1.5);
  EXPECT_EQ(config->output_softcap, 2.0);
  EXPECT_DOUBLE_EQ(config->embedding_scale, std::sqrt(48.0));
  EXPECT_DOUBLE_EQ(config->attention_scale.value(), 1 / std::sqrt(24.0));
  EXPECT_EQ(config->layer(0).window_tokens, 12);
  EXPECT_EQ(config->layer(1).window_tokens, 0);
  EXPECT_EQ(config->layer(2).window_tokens, 12);
}

TEST(FamilyGemmaTest, ANullTurnsABoundOff) {
  nlohmann::json config = GoldenFamily("gemma2")["published"];
  config["attn_logit_softcapping"] = nullptr;
  EXPECT_EQ(ReadHuggingFaceConfig(JsonObject(config))->attention_softcap, 0);
  config.erase("attn_logit_softcapping");
  EXPECT_EQ(ReadHuggingFaceConfig(JsonObject(config))->attention_softcap, 50) << "transformers' default";
  config["final_logit_softcapping"] = nullptr;
  EXPECT_EQ(ReadHuggingFaceConfig(JsonObject(config))->output_softcap, 0);
}

TEST(FamilyGemmaTest, Gemma3sLocalLayersTurnFaster) {
  const auto config = ReadGoldenConfig("gemma3", {}, "published");
  EXPECT_TRUE(config->head_norms);
  ASSERT_EQ(config->ropes.size(), 2u);
  EXPECT_EQ(config->ropes[0].theta, 1e6);
  EXPECT_EQ(config->ropes[1].theta, 1e4);
  for (int32_t layer = 0; layer < 6; ++layer) EXPECT_EQ(config->layer(layer).rope, layer == 5 ? 0 : 1) << layer;
  EXPECT_EQ(ReadGoldenConfig("gemma3_scaled_and_capped")->ropes[0].scaling.factor, 8.0);
  EXPECT_EQ(ReadGoldenConfig("gemma3_scaled_and_capped")->trained_tokens, 4096);  // stated after scaling
}

// transformers' attention and llama.cpp's do not use the key in this architecture.
TEST(FamilyGemmaTest, Gemma3BoundsNoScores) {
  const auto config = ReadGoldenConfig("gemma3", {{"attn_logit_softcapping", 25.0}, {"final_logit_softcapping", 20.0}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->attention_softcap, 0);
  EXPECT_EQ(config->output_softcap, 20);
}

TEST(FamilyGemmaTest, RefusesWhatItWouldGetWrong) {
  ExpectUnimplemented(ReadGoldenConfig("gemma2", {{"use_bidirectional_attention", true}}).status(),
                      "use_bidirectional_attention is true");
  nlohmann::json config = GoldenFamily("gemma3")["published"];
  ExpectUnimplemented(ReadGoldenConfig("gemma3", {{"rope_parameters", nullptr},
                                                  {"rope_scaling", {{"type", "linear"}, {"factor", 8.0}}}})
                          .status(),
                      "key rope_scaling.type alone");
  config["sliding_window"] = nullptr;
  ExpectInvalid(ReadHuggingFaceConfig(JsonObject(config)).status(), "sliding_window is null, but some layers need one");
}

TEST(FamilyGemmaTest, SaysWhyImagesAreRefused) {
  ExpectUnimplemented(FindHuggingFaceFamily("Gemma3ForConditionalGeneration").status(), "it reads images too");
}

}  // namespace
}  // namespace perennial
