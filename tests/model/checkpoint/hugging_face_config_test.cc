#include "model/checkpoint/hugging_face_config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/model/checkpoint/expect_error.h"
#include "tests/model/checkpoint/tiny_hugging_face.h"

namespace perennial {
namespace {

using nlohmann::json;

// The tiny configuration with members replaced; null removes one.
absl::StatusOr<ModelConfig> Read(const json& changes) {
  json config = TinyHuggingFace().config;
  config.update(changes);
  return ReadHuggingFaceConfig(JsonObject(config));
}

TEST(HuggingFaceConfigTest, ReadsTheNetwork) {
  const auto config = Read({{"head_dim", 8}, {"rope_theta", 5e5}, {"eos_token_id", {2, 3}}, {"attention_bias", true}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->architecture, "llama");
  EXPECT_EQ(config->vocab_size, 6);
  EXPECT_EQ(config->hidden_size, 4);
  EXPECT_EQ(config->feed_forward_size, 3);
  EXPECT_EQ(config->num_layers, 1);
  EXPECT_EQ(config->num_heads, 2);
  EXPECT_EQ(config->num_kv_heads, 1);
  EXPECT_EQ(config->head_size, 8);
  EXPECT_EQ(config->ropes[0].theta, 5e5);
  EXPECT_EQ(config->rope_layout, RopeLayout::kHalves);
  EXPECT_EQ(config->trained_tokens, 64);
  EXPECT_EQ(config->bos_token, 0);
  EXPECT_EQ(config->end_tokens, (std::vector<TokenId>{2, 3}));
  EXPECT_TRUE(config->qkv_bias);
  EXPECT_TRUE(config->attention_out_bias);
  EXPECT_FALSE(config->feed_forward_bias);
  EXPECT_FALSE(config->tied_embeddings);
}

TEST(HuggingFaceConfigTest, UsesTransformersDefaults) {
  const auto config = Read({{"num_key_value_heads", nullptr}, {"eos_token_id", nullptr}, {"bos_token_id", nullptr}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->num_kv_heads, 2);
  EXPECT_EQ(config->head_size, 2);
  EXPECT_EQ(config->ropes[0].theta, 10000.0);
  EXPECT_EQ(config->bos_token, std::nullopt);
  EXPECT_TRUE(config->end_tokens.empty());
}

TEST(HuggingFaceConfigTest, ReadsMistralsWindow) {
  const auto config = Read({{"architectures", {"MistralForCausalLM"}}, {"sliding_window", 32}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->architecture, "mistral");
  EXPECT_EQ(config->layer(0).window_tokens, 32);
  EXPECT_EQ(Read({{"architectures", {"MistralForCausalLM"}}, {"sliding_window", nullptr}})->layer(0).window_tokens, 0);
  EXPECT_EQ(Read({{"sliding_window", 32}})->layer(0).window_tokens, 0);  // Llama has none
}

TEST(HuggingFaceConfigTest, NamesWhatItSupports) {
  ExpectUnimplemented(Read({{"architectures", {"MambaForCausalLM"}}}).status(),
                      "\"MambaForCausalLM\" is not supported; supported in this format are LlamaForCausalLM, Mistral");
  ExpectUnimplemented(Read({{"architectures", {"GPT2LMHeadModel"}}}).status(), "a vector for every absolute position");
  ExpectUnimplemented(Read({{"architectures", {"OPTForCausalLM"}}}).status(), "a vector for every absolute position");
  ExpectUnimplemented(Read({{"architectures", {"Llama4ForConditionalGeneration"}}}).status(), "cut into chunks");
  ExpectUnimplemented(Read({{"hidden_act", "relu"}}).status(), "key hidden_act is \"relu\"");
  ExpectUnimplemented(Read({{"quantization_config", {{"quant_method", "awq"}}}}).status(), "use a GGUF file");
}

TEST(HuggingFaceConfigTest, ReadsWhatAModelWasTrainedWithAgainstSinks) {
  const auto plain = Read(json::object());
  EXPECT_EQ(plain->sink_token, std::nullopt);
  EXPECT_FALSE(plain->zero_sink);
  const auto trained = Read({{"sink_token_id", 4}, {"zero_sink", true}});
  EXPECT_EQ(trained->sink_token, 4);
  EXPECT_TRUE(trained->zero_sink);
  ExpectInvalid(Read({{"sink_token_id", 6}}).status(), "key sink_token_id is 6; it must be from 0 to 5");
  ExpectInvalid(Read({{"zero_sink", 1}}).status(), "key zero_sink is not true or false");
}

TEST(HuggingFaceConfigTest, FallsBackToTheModelType) {
  EXPECT_EQ(Read({{"architectures", nullptr}, {"model_type", "mistral"}})->architecture, "mistral");
  ExpectInvalid(Read({{"architectures", nullptr}}).status(), "key architectures is missing");
  ExpectInvalid(Read({{"architectures", json::array()}}).status(), "key architectures is not a list");
}

TEST(HuggingFaceConfigTest, ReadsScalingInBothForms) {
  const json llama3 = {
      {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}, {"original_max_position_embeddings", 16}};
  for (const auto& [key, kind] : {std::pair("rope_scaling", "type"), std::pair("rope_scaling", "rope_type"),
                                  std::pair("rope_parameters", "rope_type")}) {
    json rope = llama3;
    rope[kind] = "llama3";
    if (std::string(key) == "rope_parameters") rope["rope_theta"] = 7e4;
    const auto config = Read({{key, rope}, {"rope_theta", std::string(key) == "rope_scaling" ? json(7e4) : json()}});
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->ropes[0].theta, 7e4);
    EXPECT_EQ(config->ropes[0].scaling.kind, RopeScalingKind::kLlama3);
    EXPECT_EQ(config->ropes[0].scaling.factor, 8.0);
    EXPECT_EQ(config->ropes[0].scaling.low_freq_factor, 1.0);
    EXPECT_EQ(config->ropes[0].scaling.high_freq_factor, 4.0);
    EXPECT_EQ(config->ropes[0].scaling.original_length, 16);
    EXPECT_EQ(config->trained_tokens, 64);  // Llama 3 states the length after scaling
  }
}

TEST(HuggingFaceConfigTest, ReadsDefaultAndLinearScaling) {
  EXPECT_EQ(Read({{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 3e4}}}})->ropes[0].theta, 3e4);
  const auto linear = Read({{"rope_scaling", {{"type", "linear"}, {"factor", 4}}}});
  ASSERT_TRUE(linear.ok()) << linear.status();
  EXPECT_EQ(linear->ropes[0].scaling.kind, RopeScalingKind::kLinear);
  EXPECT_EQ(linear->trained_tokens, 256);
  ExpectInvalid(Read({{"rope_scaling", {{"type", "linear"}}}}).status(), "key rope_scaling.factor is missing");
}

TEST(HuggingFaceConfigTest, ReadsYarnAsTransformersDoes) {
  const auto yarn = Read({{"rope_scaling",
                           {{"rope_type", "yarn"},
                            {"factor", 16.0},
                            {"original_max_position_embeddings", 32},
                            {"beta_fast", 24},
                            {"truncate", false}}}});
  ASSERT_TRUE(yarn.ok()) << yarn.status();
  EXPECT_EQ(yarn->ropes[0].scaling.original_length, 32);
  EXPECT_EQ(yarn->ropes[0].scaling.beta_fast, 24.0);
  EXPECT_EQ(yarn->ropes[0].scaling.beta_slow, 1.0);
  EXPECT_FALSE(yarn->ropes[0].scaling.truncate);
  EXPECT_EQ(yarn->ropes[0].scaling.attention_factor, std::nullopt);
  EXPECT_EQ(yarn->trained_tokens, 512);

  const auto inferred = Read({{"rope_scaling",
                               {{"rope_type", "yarn"},
                                {"factor", nullptr},
                                {"original_max_position_embeddings", 16},
                                {"mscale", 1.0},
                                {"mscale_all_dim", 0.5}}}});
  ASSERT_TRUE(inferred.ok()) << inferred.status();
  EXPECT_EQ(inferred->ropes[0].scaling.factor, 4.0);
  EXPECT_DOUBLE_EQ(inferred->ropes[0].scaling.attention_factor.value(),
                   (0.1 * std::log(4.0) + 1) / (0.05 * std::log(4.0) + 1));
  const auto stated = Read({{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 2}, {"attention_factor", 0.9}}}});
  EXPECT_EQ(stated->ropes[0].scaling.attention_factor, 0.9);
}

TEST(HuggingFaceConfigTest, RefusesScalingThatChangesWithTheLength) {
  ExpectUnimplemented(Read({{"rope_scaling", {{"rope_type", "dynamic"}, {"factor", 2}}}}).status(),
                      "frequencies change with the running length");
  ExpectUnimplemented(Read({{"rope_scaling", {{"rope_type", "other"}}}}).status(),
                      "supported are default, linear, llama3, yarn and longrope");
}

TEST(HuggingFaceConfigTest, NamesWrongMembers) {
  for (const char* key :
       {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"}) {
    ExpectInvalid(Read({{key, nullptr}}).status(), std::string("key ") + key + " is missing");
    ExpectInvalid(Read({{key, 0}}).status(), std::string("key ") + key + " is 0");
    ExpectInvalid(Read({{key, "4"}}).status(), std::string("key ") + key + " is not an integer");
    ExpectInvalid(Read({{key, uint64_t{1} << 63}}).status(),
                  std::string("key ") + key + " is not an integer below 2^63");
  }
  ExpectInvalid(Read({{"eos_token_id", 6}}).status(), "key eos_token_id");
  ExpectInvalid(Read({{"bos_token_id", -1}}).status(), "key bos_token_id is -1");
  ExpectInvalid(Read({{"rope_scaling", 3}}).status(), "key rope_scaling is not an object");
  ExpectInvalid(Read({{"rope_scaling", {{"rope_type", 3}}}}).status(), "key rope_scaling.rope_type is not a string");
}

TEST(HuggingFaceConfigTest, ReadsGenerationDefaults) {
  const json generation = {{"temperature", 0.6},    {"top_k", 20},
                           {"top_p", 0.95},         {"do_sample", true},
                           {"max_new_tokens", 128}, {"eos_token_id", {1, 5}},
                           {"min_p", nullptr},      {"repetition_penalty", 1.1}};
  std::vector<TokenId> ends;
  const auto defaults = ReadHuggingFaceGeneration(JsonObject(generation), 6, ends);
  ASSERT_TRUE(defaults.ok()) << defaults.status();
  EXPECT_EQ(defaults->temperature, 0.6f);
  EXPECT_EQ(defaults->top_k, 20);
  EXPECT_EQ(defaults->top_p, 0.95f);
  EXPECT_EQ(defaults->min_p, std::nullopt);
  EXPECT_EQ(defaults->repetition_penalty, 1.1f);
  EXPECT_EQ(defaults->do_sample, true);
  EXPECT_EQ(defaults->max_new_tokens, 128);
  EXPECT_EQ(ends, (std::vector<TokenId>{1, 5}));
  ExpectInvalid(ReadHuggingFaceGeneration(JsonObject(generation), 5, ends).status(), "key eos_token_id");
}

}  // namespace
}  // namespace perennial
