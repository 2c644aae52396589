#include <gtest/gtest.h>

#include "model/checkpoint/family.h"
#include "tests/model/checkpoint/golden_config.h"

namespace perennial {
namespace {

TEST(FamilyQwenTest, ReadsBothForms) {
  for (const char* name : {"qwen2", "qwen2_layer_windows", "qwen3"}) ExpectPublishedFormReadsTheSame(name);
}

TEST(FamilyQwenTest, Qwen2HasBiasesAndQwen3HasNorms) {
  const auto two = ReadGoldenConfig("qwen2");
  EXPECT_TRUE(two->qkv_bias);
  EXPECT_FALSE(two->attention_out_bias);
  EXPECT_FALSE(two->head_norms);
  const auto three = ReadGoldenConfig("qwen3");
  EXPECT_FALSE(three->qkv_bias);
  EXPECT_TRUE(three->head_norms);
  EXPECT_EQ(ReadGoldenConfig("qwen3", {{"head_dim", nullptr}})->head_size, 128);
}

TEST(FamilyQwenTest, LateLayersSlideIfTheConfigurationSaysSo) {
  EXPECT_TRUE(ReadGoldenConfig("qwen2", {}, "published")->layers.empty());
  const auto sliding = ReadGoldenConfig("qwen2_layer_windows", {}, "published");
  EXPECT_EQ(sliding->layers, (std::vector<LayerView>{{}, {.window_tokens = 12, .rope = 0}}));
  nlohmann::json null = GoldenFamily("qwen2_layer_windows")["published"];
  null["sliding_window"] = nullptr;
  EXPECT_TRUE(ReadHuggingFaceConfig(JsonObject(null))->layers.empty());
}

}  // namespace
}  // namespace perennial
