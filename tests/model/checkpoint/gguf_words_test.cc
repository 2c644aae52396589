#include "model/checkpoint/gguf_words.h"

#include <gtest/gtest.h>

namespace perennial {
namespace {

TEST(GgufWordsTest, RotaryTensorsAreNoWeights) {
  for (const char* name : {"rope_freqs.weight", "rope_factors_long.weight", "blk.3.attn_rot_embd"}) {
    EXPECT_TRUE(IsUnused(*LlamaGgufNames(GgufFile()), name)) << name;
  }
  EXPECT_FALSE(IsUnused(*LlamaGgufNames(GgufFile()), "blk.0.attn_q.weight"));
}

TEST(GgufWordsTest, GivesWindowsToTheLayersThatSlide) {
  ModelConfig config;
  config.num_layers = 4;
  SetLayerWindows(
      0, [](int32_t) { return true; }, config);
  EXPECT_TRUE(config.layers.empty());
  SetLayerWindows(
      9, [](int32_t layer) { return layer % 2 == 0; }, config);
  ASSERT_EQ(config.layers.size(), 4u);
  EXPECT_EQ(config.layer(2).window_tokens, 9);
  EXPECT_EQ(config.layer(3).window_tokens, 0);
}

}  // namespace
}  // namespace perennial
