#include "model/checkpoint/gguf_words.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/model/checkpoint/expect_error.h"
#include "tests/model/checkpoint/gguf_writer.h"

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

// The windows of four layers, by a file with these keys; 3 is what the family takes for a pattern.
absl::StatusOr<std::vector<int32_t>> Windows(const std::function<void(GgufWriter&)>& change) {
  GgufWriter writer = TinyGguf();
  change(writer);
  const std::string bytes = writer.Build();
  const auto file = ReadGguf(AsBytes(bytes));
  const GgufMetadata metadata(*file);
  GgufFields fields(metadata, "llama");
  ModelConfig config;
  config.num_layers = 4;
  ReadLayerWindows(9, 3, fields, config);
  if (!fields.status().ok()) return fields.status();
  std::vector<int32_t> windows(4);
  for (int32_t layer = 0; layer < 4; ++layer) windows[static_cast<size_t>(layer)] = config.layer(layer).window_tokens;
  return windows;
}

// As llama.cpp reads it (load_swa_pattern and set_swa_pattern of its llama-model.cpp and llama-hparams.cpp).
TEST(GgufWordsTest, ThePatternOfWindowsIsANumberOrAList) {
  static constexpr char kKey[] = "llama.attention.sliding_window_pattern";
  using Layers = std::vector<int32_t>;
  const auto number = [](uint32_t pattern) {
    return Windows([pattern](GgufWriter& w) { w.SetUint32(kKey, pattern); });
  };
  EXPECT_EQ(*Windows([](GgufWriter&) {}), (Layers{9, 9, 0, 9}));
  EXPECT_EQ(*number(2), (Layers{9, 0, 9, 0}));
  EXPECT_EQ(*number(1), (Layers{0, 0, 0, 0}));
  EXPECT_EQ(*number(0), (Layers{9, 9, 9, 9}));
  EXPECT_EQ(*Windows([](GgufWriter& w) { w.SetInts(kKey, {0, 1, 1, 0}); }), (Layers{0, 9, 9, 0}));
  const auto bools = [](const std::string& raw) {
    return Windows(
        [&](GgufWriter& w) { w.Set(kKey, GgufType::kArray, GgufWriter::Array(GgufType::kBool, raw.size(), raw)); });
  };
  EXPECT_EQ(*bools(std::string{1, 0, 0, 1}), (Layers{9, 0, 0, 9}));
  for (const std::string& raw : {std::string{1, 0, 1}, std::string(), std::string(5, '\0')}) {
    ExpectInvalid(bools(raw).status(), std::string(kKey) + " is not a list of 4 bools, one for each layer");
  }
  ExpectInvalid(Windows([](GgufWriter& w) { w.SetStrings(kKey, {"a", "b", "c", "d"}); }).status(), "4 bools");
  ExpectInvalid(Windows([](GgufWriter& w) { w.SetString(kKey, "LLLG"); }).status(), "is not an integer");
  ExpectInvalid(number(0xFFFFFFFF).status(), "sliding_window_pattern is 4294967295");
}

}  // namespace
}  // namespace perennial
