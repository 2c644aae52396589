// Small models of every kind of the Llama family against transformers (tests/golden/logits/make_small_model_logits.py).

#include "model/torch/decoder_network.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/sink_window.h"
#include "tests/model/torch/golden_stream.h"

namespace perennial {
namespace {

constexpr float kTolerance = 1e-4f;

ModelConfig ConfigOf(const nlohmann::json& settings) {
  ModelConfig config = SmallConfig();
  config.num_kv_heads = settings.value("num_kv_heads", config.num_kv_heads);
  config.tied_embeddings = settings.value("tied_embeddings", false);
  config.qkv_bias = config.attention_out_bias = settings.value("attention_bias", false);
  config.feed_forward_bias = settings.value("feed_forward_bias", false);
  config.ropes[0].theta = settings.value("rope_theta", config.ropes[0].theta);
  config.layers.assign(2, {.window_tokens = settings.value("layer_window_tokens", 0), .rope = 0});
  const std::string kind = settings.value("rope_kind", "");
  if (kind.empty()) return config;
  const nlohmann::json& rope = settings["rope"];
  RopeScaling& scaling = config.ropes[0].scaling;
  scaling.kind = kind == "linear"   ? RopeScalingKind::kLinear
                 : kind == "llama3" ? RopeScalingKind::kLlama3
                                    : RopeScalingKind::kYarn;
  scaling.factor = rope["factor"];
  scaling.original_length = rope.value("original_length", 0);
  scaling.low_freq_factor = rope.value("low_freq_factor", scaling.low_freq_factor);
  scaling.high_freq_factor = rope.value("high_freq_factor", scaling.high_freq_factor);
  scaling.beta_fast = rope.value("beta_fast", scaling.beta_fast);
  scaling.beta_slow = rope.value("beta_slow", scaling.beta_slow);
  if (rope.contains("attention_factor")) scaling.attention_factor = rope["attention_factor"].get<double>();
  return config;
}

// The largest difference to the golden rows, over all of them.
float DifferenceToGolden(const Checkpoint& checkpoint, const nlohmann::json& golden, const nlohmann::json& model,
                         size_t chunk) {
  const auto runner = MakeSmallRunner(checkpoint);
  const CacheShape shape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 60};
  const auto cache = runner->NewCache(shape);
  if (!cache.ok()) ADD_FAILURE() << cache.status();
  const std::vector<TokenId> tokens = golden["tokens"];
  SinkWindow window(shape, EvictionPolicy::kTokenWise);
  const LogitTable table =
      FeedAll(*runner, **cache, tokens, window.Advance(static_cast<int64_t>(tokens.size())), chunk);
  float largest = 0.0f;
  for (size_t i = 0; i < golden["positions"].size(); ++i) {
    largest = std::max(largest, RowDifference(table.at(golden["positions"][i]), model["logits"][i]));
  }
  return largest;
}

nlohmann::json ModelNamed(const nlohmann::json& golden, const std::string& name) {
  for (const nlohmann::json& model : golden["cases"]) {
    if (model["name"] == name) return model;
  }
  ADD_FAILURE() << name;
  return {};
}

TEST(DecoderNetworkTest, LogitsEqualTransformersForEveryKindOfModel) {
  const nlohmann::json golden = ReadGolden("small_models.json");
  ASSERT_EQ(golden["cases"].size(), 13u);
  for (const nlohmann::json& model : golden["cases"]) {
    const FormulaCheckpoint checkpoint(ConfigOf(model["settings"]));
    for (const size_t chunk : {1, 7, 48}) {
      EXPECT_LE(DifferenceToGolden(checkpoint, golden, model, chunk), kTolerance)
          << model["name"] << ", chunks of " << chunk;
    }
  }
}

// What the tolerance can tell apart: each planted mistake is far outside.
TEST(DecoderNetworkTest, PlantedMistakesAreFound) {
  const nlohmann::json golden = ReadGolden("small_models.json");
  const auto difference = [&](const std::string& name, void (*plant)(ModelConfig&)) {
    const nlohmann::json model = ModelNamed(golden, name);
    ModelConfig config = ConfigOf(model["settings"]);
    plant(config);
    return DifferenceToGolden(FormulaCheckpoint(config), golden, model, 48);
  };
  EXPECT_GT(difference("large_theta", [](ModelConfig& c) { c.ropes[0].theta = 400000.0; }), 20 * kTolerance);
  EXPECT_GT(difference("attention_bias", [](ModelConfig& c) { c.qkv_bias = false; }), 20 * kTolerance);
  EXPECT_GT(difference("rope_yarn", [](ModelConfig& c) { c.ropes[0].scaling.attention_factor = 1.0; }),
            20 * kTolerance);
  EXPECT_GT(difference("rope_llama3", [](ModelConfig& c) { c.ropes[0].scaling.low_freq_factor = 2.0; }),
            20 * kTolerance);
  EXPECT_GT(difference("mistral_layer_window", [](ModelConfig& c) { c.layers[0].window_tokens = 11; }),
            20 * kTolerance);
  EXPECT_GT(difference("grouped_query", [](ModelConfig& c) { c.rope_layout = RopeLayout::kInterleaved; }),
            20 * kTolerance);
}

}  // namespace
}  // namespace perennial
