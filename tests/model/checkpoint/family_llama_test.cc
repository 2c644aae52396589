#include <gtest/gtest.h>

#include "model/checkpoint/family.h"
#include "tests/model/checkpoint/golden_config.h"

namespace perennial {
namespace {

TEST(FamilyLlamaTest, ReadsBothForms) {
  for (const char* name : {"llama2", "llama3", "mistral"}) ExpectPublishedFormReadsTheSame(name);
  EXPECT_EQ(ReadGoldenConfig("llama3")->ropes[0].scaling.kind, RopeScalingKind::kLlama3);
  EXPECT_EQ(ReadGoldenConfig("llama3", {}, "published")->end_tokens, (std::vector<TokenId>{2, 3}));
}

TEST(FamilyLlamaTest, MistralSlidesInEveryLayer) {
  const auto mistral = ReadGoldenConfig("mistral");
  EXPECT_EQ(mistral->architecture, "mistral");
  EXPECT_EQ(mistral->layers, std::vector<LayerView>(2, {.window_tokens = 12, .rope = 0}));
  nlohmann::json off = GoldenFamily("mistral")["config"];
  off["sliding_window"] = nullptr;
  EXPECT_TRUE(ReadHuggingFaceConfig(JsonObject(off))->layers.empty());
}

TEST(FamilyLlamaTest, RefusesAbsurdSizes) {
  ExpectInvalid(ReadGoldenConfig("llama2", {{"num_attention_heads", 0}}).status(), "num_attention_heads is 0");
  ExpectInvalid(ReadGoldenConfig("llama2", {{"vocab_size", 1.5}}).status(), "vocab_size is not an integer");
  ExpectInvalid(ReadGoldenConfig("llama2", {{"rms_norm_eps", "small"}}).status(),
                "rms_norm_eps is not a finite number");
}

}  // namespace
}  // namespace perennial
