#include "model/checkpoint/hugging_face_fields.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/model/checkpoint/expect_error.h"

namespace perennial {
namespace {

using nlohmann::json;

ModelConfig WithLayers(int32_t num_layers) {
  ModelConfig config;
  config.num_layers = num_layers;
  return config;
}

absl::Status Layers(const json& object, int32_t window, ModelConfig& config) {
  return ReadLayerTypes(
      JsonObject(object), window, [](int32_t layer) { return layer == 1; }, config);
}

TEST(HuggingFaceFieldsTest, LayersSlideAsListedOrByTheFamilysRule) {
  ModelConfig config = WithLayers(2);
  EXPECT_TRUE(Layers(json::object(), 8, config).ok());
  EXPECT_EQ(config.layers, (std::vector<LayerView>{{}, {.window_tokens = 8, .rope = 0}}));
  EXPECT_TRUE(Layers({{"layer_types", {"sliding_attention", "full_attention"}}}, 8, config).ok());
  EXPECT_EQ(config.layers, (std::vector<LayerView>{{.window_tokens = 8, .rope = 0}, {}}));
  ModelConfig plain = WithLayers(2);
  EXPECT_TRUE(Layers({{"layer_types", {"full_attention", "full_attention"}}}, 8, plain).ok());
  EXPECT_TRUE(plain.layers.empty());
}

TEST(HuggingFaceFieldsTest, NamesLayersThatItDoesNotKnow) {
  ModelConfig config = WithLayers(2);
  ExpectUnimplemented(Layers({{"layer_types", {"full_attention", "chunked_attention"}}}, 8, config),
                      "layer_types has \"chunked_attention\"");
  ExpectUnimplemented(Layers({{"layer_types", {1, 2}}}, 8, config), "layer_types has \"\"");
  ExpectInvalid(Layers({{"layer_types", {"full_attention"}}}, 8, config), "layer_types is not a list of 2 names");
  ExpectInvalid(Layers({{"layer_types", {"full_attention", "sliding_attention"}}}, 0, config), "sliding_window");
}

TEST(HuggingFaceFieldsTest, KnowsActivationsByTheirNames) {
  ModelConfig config;
  for (const auto& [name, activation] :
       {std::pair("silu", Activation::kSilu), std::pair("gelu", Activation::kGelu),
        std::pair("gelu_new", Activation::kGeluTanh), std::pair("gelu_pytorch_tanh", Activation::kGeluTanh)}) {
    const json object = {{"act", name}};
    EXPECT_TRUE(ReadActivation(JsonObject(object), "act", config).ok());
    EXPECT_EQ(config.activation, activation) << name;
  }
  const json relu = {{"act", "relu"}};
  ExpectUnimplemented(ReadActivation(JsonObject(relu), "act", config), "key act is \"relu\"");
}

TEST(HuggingFaceFieldsTest, ANullTurnsTheWindowOff) {
  const auto window = [](const json& object) {
    JsonFields fields{JsonObject(object)};
    int32_t tokens = 4096;
    ReadWindow(fields, tokens);
    return fields.status().ok() ? tokens : -1;
  };
  EXPECT_EQ(window(json::object()), 4096);
  EXPECT_EQ(window({{"sliding_window", nullptr}}), 0);
  EXPECT_EQ(window({{"sliding_window", 12}}), 12);
  EXPECT_EQ(window({{"sliding_window", 0}}), -1) << "nothing could be seen";
}

TEST(HuggingFaceFieldsTest, ReadsSizes) {
  const json object = {{"vocab_size", 9},
                       {"hidden_size", 8},
                       {"intermediate_size", 12},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 4},
                       {"num_key_value_heads", 2},
                       {"tie_word_embeddings", true},
                       {"max_position_embeddings", 64}};
  ModelConfig config;
  ASSERT_TRUE(ReadSizes(JsonObject(object), config).ok());
  EXPECT_EQ(config.head_size, 2);
  EXPECT_EQ(config.num_kv_heads, 2);
  EXPECT_TRUE(config.tied_embeddings);
  ModelConfig defaults;
  defaults.num_kv_heads = 1;
  defaults.trained_tokens = 32;
  json less = object;
  less.erase("num_key_value_heads");
  less.erase("max_position_embeddings");
  ASSERT_TRUE(ReadSizes(JsonObject(less), defaults).ok());
  EXPECT_EQ(defaults.num_kv_heads, 1);
  EXPECT_EQ(defaults.trained_tokens, 32);
  less["num_key_value_heads"] = nullptr;
  ASSERT_TRUE(ReadSizes(JsonObject(less), defaults).ok());
  EXPECT_EQ(defaults.num_kv_heads, 4);
  json broken = object;
  broken["hidden_size"] = -1;
  ExpectInvalid(ReadSizes(JsonObject(broken), config), "key hidden_size is -1");
}

}  // namespace
}  // namespace perennial
