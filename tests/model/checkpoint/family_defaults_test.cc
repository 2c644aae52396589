// A config.json that leaves keys out must be read as transformers reads it: every case of
// tests/golden/families/defaults.json, which says what network transformers itself has built from it.

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "model/checkpoint/family.h"
#include "tests/model/checkpoint/golden_config.h"

namespace perennial {
namespace {

using nlohmann::json;

std::string KindName(RopeScalingKind kind) {
  switch (kind) {
    case RopeScalingKind::kNone:
      return "default";
    case RopeScalingKind::kLinear:
      return "linear";
    case RopeScalingKind::kLlama3:
      return "llama3";
    case RopeScalingKind::kYarn:
      return "yarn";
    case RopeScalingKind::kLongRope:
      return "longrope";
  }
  return "";
}

// What multiplies cosine and sine, as model_config.h defines it.
double AttentionScaling(const RopeScaling& scaling) {
  if (scaling.attention_factor.has_value()) return *scaling.attention_factor;
  if (scaling.factor <= 1) return 1;
  if (scaling.kind == RopeScalingKind::kYarn) return 0.1 * std::log(scaling.factor) + 1;
  if (scaling.kind != RopeScalingKind::kLongRope) return 1;
  return std::sqrt(1 + std::log(scaling.factor) / std::log(static_cast<double>(scaling.original_length)));
}

// In the words of defaults.json. A factor that transformers does not state is not compared.
json Described(const Rope& rope, int32_t rotary_size, const json& expected) {
  json described = {{"type", KindName(rope.scaling.kind)},
                    {"theta", rope.theta},
                    {"size", rotary_size},
                    {"attention_scaling", AttentionScaling(rope.scaling)}};
  if (expected.contains("factor")) {
    described["factor"] = expected["factor"].is_null() ? json() : json(rope.scaling.factor);
  }
  if (expected.contains("original_length")) described["original_length"] = rope.scaling.original_length;
  return described;
}

int NumNorms(const ModelConfig& config) {
  return config.block == BlockShape::kSandwich ? 4 : config.block == BlockShape::kParallelOneNorm ? 1 : 2;
}

std::string ActivationName(Activation activation) {
  return activation == Activation::kSilu ? "silu" : activation == Activation::kGelu ? "gelu" : "gelu_tanh";
}

// Both as transformers describes its network; members of `expected` that it lacks are an error.
json Described(const ModelConfig& config, const json& expected) {
  json windows = json::array();
  for (const LayerView& layer : config.layers) windows.push_back(layer.window_tokens);
  json ropes = json::array();
  for (size_t i = 0; i < config.ropes.size(); ++i) {
    ropes.push_back(Described(config.ropes[i], config.rotary_size, expected["ropes"].at(i)));
  }
  return {{"hidden_size", config.hidden_size},
          {"num_layers", config.num_layers},
          {"num_heads", config.num_heads},
          {"num_kv_heads", config.num_kv_heads},
          {"head_size", config.head_size},
          {"feed_forward_size", config.feed_forward_size},
          {"norm_bias", config.norm_bias},
          {"norms", NumNorms(config)},
          {"parallel", config.block == BlockShape::kParallelOneNorm || config.block == BlockShape::kParallelTwoNorms},
          {"head_norms", config.head_norms},
          {"activation", ActivationName(config.activation)},
          {"tied_embeddings", config.tied_embeddings},
          {"qkv_bias", config.qkv_bias},
          {"attention_out_bias", config.attention_out_bias},
          {"feed_forward_bias", config.feed_forward_bias},
          {"windows", windows},
          {"ropes", ropes},
          {"alibi", !config.alibi_slopes.empty()},
          {"attention_softcap", config.attention_softcap},
          {"output_softcap", config.output_softcap},
          {"qkv_clip", config.qkv_clip}};
}

TEST(FamilyDefaultsTest, AbsentKeysMeanWhatTransformersTakesForThem) {
  std::ifstream stream(PERENNIAL_SOURCE_DIR "/tests/golden/families/defaults.json");
  const json cases = json::parse(stream);
  size_t families = 0;
  for (const auto& [name, golden] : cases.items()) {
    if (name == "made_by") continue;
    SCOPED_TRACE(name);
    json base = cases[name.substr(0, name.find(' '))];
    if (golden.contains("change")) {
      base["config"].update(golden["change"]);
      base["network"].update(golden["differs"]);
    } else {
      ++families;
    }
    const absl::StatusOr<ModelConfig> config = ReadHuggingFaceConfig(JsonObject(base["config"]));
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_TRUE(ValidateModelConfig(*config).ok()) << ValidateModelConfig(*config);
    json& expected = base["network"];
    EXPECT_FLOAT_EQ(config->norm_epsilon, expected["norm_epsilon"].get<float>());
    EXPECT_DOUBLE_EQ(config->attention_scale.value_or(1 / std::sqrt(config->head_size)), expected["attention_scale"]);
    const bool scales = !config->ropes.empty() && config->ropes[0].scaling.kind != RopeScalingKind::kNone;
    if (!scales) {
      EXPECT_EQ(config->trained_tokens, expected["trained_tokens"]);
    }
    for (const char* key : {"norm_epsilon", "attention_scale", "trained_tokens"}) expected.erase(key);
    const json ours = Described(*config, expected);
    EXPECT_EQ(ours, expected) << json::diff(expected, ours);
  }
  EXPECT_EQ(families, Families().size());
}

}  // namespace
}  // namespace perennial
