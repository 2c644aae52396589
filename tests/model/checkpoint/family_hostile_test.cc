// Absurd values of the keys that a family reads from config.json: one clear line each, and no value is taken that the
// network could not be built with. Keys that all families have in common are hugging_face_config_test's.

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/checkpoint/family.h"
#include "tests/model/checkpoint/golden_config.h"

namespace perennial {
namespace {

using nlohmann::json;

using Names = std::vector<std::string>;

Names operator+(Names a, const Names& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// "a.b" is the member b of the object a.
struct FamilyKeys {
  std::string family;
  Names sizes = {}, optional_sizes = {}, reals = {}, bools = {}, texts = {}, objects = {};
  Names counts = {};               // may be 0
  bool layer_types = false;        // reads that key
  Names ropes = {};                // objects that describe rotary frequencies
  json switches = json::object();  // without which some of these are not read
};

std::vector<FamilyKeys> AllFamilyKeys() {
  const Names falcon = {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"};
  const Names sizes = falcon + Names{"intermediate_size"};
  const Names optional = {"num_key_value_heads", "head_dim", "max_position_embeddings"};
  const Names sliding = optional + Names{"sliding_window"};
  const Names rms = {"rms_norm_eps", "rope_theta"};
  const Names tied = {"tie_word_embeddings"};
  const Names act = {"hidden_act"};
  const Names rope = {"rope_scaling", "rope_parameters"};
  const Names layer_rope = {"rope_scaling", "rope_parameters.full_attention", "rope_parameters.sliding_attention"};
  const Names gemma_bools = tied + Names{"attention_bias", "use_bidirectional_attention"};
  const Names soft = rms + Names{"query_pre_attn_scalar", "final_logit_softcapping"};
  std::vector<FamilyKeys> all = {
      {.family = "llama", .bools = tied + Names{"attention_bias", "mlp_bias"}, .layer_types = true},
      {.family = "mistral", .optional_sizes = sliding, .bools = tied, .layer_types = true},
      {.family = "qwen2",
       .optional_sizes = sliding,
       .bools = tied + Names{"use_sliding_window"},
       .counts = {"max_window_layers"},
       .layer_types = true,
       .switches = {{"use_sliding_window", true}}},
      {.family = "qwen3",
       .optional_sizes = sliding,
       .bools = tied + Names{"use_sliding_window", "attention_bias"},
       .counts = {"max_window_layers"},
       .layer_types = true,
       .switches = {{"use_sliding_window", true}}},
      {.family = "gemma", .bools = gemma_bools},
      {.family = "gemma2",
       .optional_sizes = sliding,
       .reals = soft + Names{"attn_logit_softcapping"},
       .bools = gemma_bools,
       .texts = {"hidden_activation"},
       .layer_types = true},
      {.family = "gemma3",
       .optional_sizes = sliding + Names{"sliding_window_pattern"},
       .reals = soft + Names{"rope_local_base_freq"},
       .bools = gemma_bools,
       .texts = {"hidden_activation"},
       .objects = {"rope_parameters"},
       .layer_types = true,
       .ropes = layer_rope},
      {.family = "phi3",
       .optional_sizes = sliding,
       .reals = rms + Names{"partial_rotary_factor"},
       .bools = tied,
       .layer_types = true},
      {.family = "stablelm",
       .reals = {"layer_norm_eps", "rope_theta", "partial_rotary_factor"},
       .bools = tied + Names{"use_qkv_bias", "qk_layernorm", "use_parallel_residual"}},
      {.family = "falcon",
       .sizes = falcon,
       .optional_sizes = {"num_kv_heads", "ffn_hidden_size", "max_position_embeddings", "num_ln_in_parallel_attn",
                          "n_embed"},
       .reals = {"layer_norm_epsilon", "rope_theta"},
       .bools = tied + Names{"new_decoder_architecture", "multi_query", "parallel_attn", "alibi", "bias"},
       .texts = {"activation"}},
      {.family = "mpt",
       .sizes = {"vocab_size", "d_model", "n_layers", "n_heads"},
       .optional_sizes = {"max_seq_len", "attn_config.kv_n_heads"},
       .reals = {"expansion_ratio", "layer_norm_epsilon", "attn_config.clip_qkv", "attn_config.softmax_scale",
                 "attn_config.alibi_bias_max"},
       .bools = tied + Names{"no_bias", "attn_config.alibi", "attn_config.rope", "attn_config.qk_ln"},
       .texts = {"norm_type"},
       .objects = {"attn_config", "ffn_config", "ffn_config.ffn_act_fn"}},
      {.family = "gpt_neox",
       .optional_sizes = {"max_position_embeddings"},
       .reals = {"layer_norm_eps", "rotary_emb_base", "rotary_pct"},
       .bools = tied + Names{"use_parallel_residual", "attention_bias"}},
  };
  for (FamilyKeys& keys : all) {
    if (keys.sizes.empty()) keys.sizes = sizes;
    if (keys.optional_sizes.empty()) keys.optional_sizes = optional;
    if (keys.reals.empty()) keys.reals = rms;
    if (keys.texts.empty()) keys.texts = act;
    if (keys.ropes.empty() && keys.family != "mpt") keys.ropes = rope;
    keys.objects = keys.objects + keys.ropes;
  }
  return all;
}

class FamilyHostileTest : public testing::Test {
 protected:
  FamilyHostileTest() {
    std::ifstream stream(PERENNIAL_SOURCE_DIR "/tests/golden/families/defaults.json");
    golden_ = json::parse(stream);
  }

  void UseFamily(const FamilyKeys& keys) {
    config_ = golden_[keys.family]["config"];
    config_.update(keys.switches);
    ASSERT_TRUE(Read(config_).ok()) << Read(config_);
  }

  static absl::Status Read(const json& config) {
    const absl::StatusOr<ModelConfig> read = ReadHuggingFaceConfig(JsonObject(config));
    return read.ok() ? ValidateModelConfig(*read) : read.status();
  }

  // The configuration with this value.
  json Changed(const std::string& key, const json& value) {
    json config = config_;
    const size_t dot = key.find('.');
    if (dot == std::string::npos) {
      config[key] = value;
    } else {
      config[key.substr(0, dot)][key.substr(dot + 1)] = value;
    }
    return config;
  }

  // What is said of the configuration with this value; must be one line about `key`, or about a number made from it.
  void ExpectRefused(const std::string& key, const json& value, const std::string& says) {
    SCOPED_TRACE(key + " = " + value.dump());
    const absl::Status status = Read(Changed(key, value));
    ASSERT_FALSE(status.ok()) << "was taken";
    EXPECT_TRUE(absl::IsInvalidArgument(status) || absl::IsUnimplemented(status)) << status;
    EXPECT_EQ(status.message().find('\n'), absl::string_view::npos) << status;
    EXPECT_LT(status.message().size(), 300u) << status;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(says));
  }

  json golden_;  // defaults.json
  json config_;
};

TEST_F(FamilyHostileTest, AbsurdValuesOfEveryKeyAreRefusedInOneLine) {
  constexpr uint64_t kTooLarge = uint64_t{1} << 63;
  for (const FamilyKeys& keys : AllFamilyKeys()) {
    SCOPED_TRACE(keys.family);
    UseFamily(keys);
    for (const std::string& key : keys.sizes) {
      ExpectRefused(key, nullptr, key + " is missing");
      ExpectRefused(key, 2147483648, key + " is 2147483648");
      ExpectRefused(key, 2147483647, "");
    }
    for (const std::string& key : keys.sizes + keys.optional_sizes) {
      ExpectRefused(key, 0, key + " is 0");
    }
    for (const std::string& key : keys.sizes + keys.optional_sizes + keys.counts) {
      ExpectRefused(key, -1, key + " is -1");
      for (const json& value : {json(kTooLarge), json(1.5), json("4"), json(true), json::array({4}), json::object()}) {
        ExpectRefused(key, value, key + " is not an integer");
      }
    }
    for (const std::string& key : keys.reals) {
      for (const json& value : {json("1"), json(true), json::array({1}), json::object()}) {
        ExpectRefused(key, value, key + " is not a finite number");
      }
      ExpectRefused(key, -1, "");
      ExpectRefused(key, 1e308, "");
    }
    for (const std::string& key : keys.bools) {
      for (const json& value : {json(1), json("true"), json::array()}) {
        ExpectRefused(key, value, key + " is not true or false");
      }
    }
    for (const std::string& key : keys.texts) {
      ExpectRefused(key, 3, key + " is not a string");
      ExpectRefused(key, "a\nb", "key " + key + " is \"a\\nb\"");
    }
    for (const std::string& key : keys.objects) {
      for (const json& value : {json(3), json("yarn"), json::array()}) {
        ExpectRefused(key, value, key + " is not an object");
      }
    }
  }
}

TEST_F(FamilyHostileTest, AbsurdKindsOfLayersAreRefusedInOneLine) {
  for (const FamilyKeys& keys : AllFamilyKeys()) {
    if (!keys.layer_types) continue;
    SCOPED_TRACE(keys.family);
    UseFamily(keys);
    const size_t layers = config_["num_hidden_layers"];
    const auto all = [layers](const json& type) { return json(std::vector<json>(layers, type)); };
    EXPECT_TRUE(Read(Changed("layer_types", all("full_attention"))).ok());
    for (const json& types : {json(3), json("full_attention"), json::object(), json::array(), json{"full_attention"}}) {
      ExpectRefused("layer_types", types, "layer_types is not a list of " + std::to_string(layers) + " names");
    }
    for (const json& type : {json(3), json(), json("a\nb"), json("chunked_attention")}) {
      ExpectRefused("layer_types", all(type), "layer_types has \"");
    }
    config_["sliding_window"] = nullptr;
    ExpectRefused("layer_types", all("sliding_attention"), "has sliding layers, but sliding_window is not set");
  }
}

TEST_F(FamilyHostileTest, WhatMptAloneHasIsRefusedInOneLine) {
  for (const FamilyKeys& keys : AllFamilyKeys()) {
    if (keys.family == "mpt") UseFamily(keys);
  }
  for (const json& window : {json(4), json(-2), json("4"), json(1.5)}) {
    ExpectRefused("attn_config.sliding_window_size", window, "attn_config.sliding_window_size is ");
  }
  for (const json& name : {json(3), json("a\nb"), json("relu")}) {
    ExpectRefused("ffn_config.ffn_act_fn", {{"name", name}}, "ffn_config.ffn_act_fn.name is ");
  }
  ExpectRefused("logit_scale", "inv_sqrt_d_model", "logit_scale");
}

// Members of an object that describes RoPE, with values that none of them has.
struct RopeKind {
  json members;
  std::vector<std::pair<Names, std::vector<json>>> absurd;
};

std::vector<RopeKind> RopeKinds(int32_t rotary_size) {
  const std::vector<json> reals = {0, -1, 1e308, "4", true, json::array({4})};
  const std::vector<json> sizes = {0, -1, uint64_t{1} << 63, "64", 1.5};
  const Names original = {"original_max_position_embeddings"};
  const json one = std::vector<int>(static_cast<size_t>(rotary_size / 2), 1);
  const std::vector<json> lists = {
      nullptr, 3, "1", json::object(), json::array(), std::vector<int>(static_cast<size_t>(rotary_size), 1)};
  const auto all = [&one](const json& value) { return json(std::vector<json>(one.size(), value)); };
  std::vector<RopeKind> kinds = {
      {{{"rope_type", "linear"}, {"factor", 4}}, {{{"factor"}, reals}}},
      {{{"rope_type", "llama3"}, {"factor", 4}, {"low_freq_factor", 1}, {"high_freq_factor", 4}},
       {{{"factor", "low_freq_factor", "high_freq_factor"}, reals},
        {{"low_freq_factor", "high_freq_factor"}, {nullptr}},
        {original, sizes}}},
      {{{"rope_type", "yarn"}, {"factor", 4}, {"mscale_all_dim", 1}},
       {{{"factor", "attention_factor", "beta_fast", "beta_slow"}, reals},
        {original, sizes},
        {{"mscale", "mscale_all_dim"}, {"1", true, json::array({1})}},
        {{"truncate"}, {1, "true"}}}},
      {{{"rope_type", "longrope"}, {"factor", 4}, {"short_factor", one}, {"long_factor", one}},
       {{{"factor", "attention_factor"}, reals},
        {original, sizes},
        {{"short_factor", "long_factor"}, lists},
        {{"short_factor", "long_factor"}, {all(0), all(-1), all(1e308), all("1"), all(true)}}}},
  };
  for (RopeKind& kind : kinds) kind.absurd.push_back({{"rope_theta"}, reals});
  return kinds;
}

TEST_F(FamilyHostileTest, AbsurdRopesAreRefusedInOneLine) {
  for (const FamilyKeys& keys : AllFamilyKeys()) {
    if (keys.ropes.empty()) continue;
    SCOPED_TRACE(keys.family);
    UseFamily(keys);
    config_["max_position_embeddings"] = 64;
    for (const RopeKind& kind : RopeKinds(ReadHuggingFaceConfig(JsonObject(config_))->rotary_size)) {
      if (keys.family == "phi3" && kind.members["rope_type"] == "yarn") continue;  // its word for longrope
      for (const std::string& place : keys.ropes) {
        SCOPED_TRACE(kind.members.dump() + " in " + place);
        ASSERT_TRUE(Read(Changed(place, kind.members)).ok()) << Read(Changed(place, kind.members));
        const auto refuse = [&](const std::string& key, const json& value, const std::string& says) {
          json members = kind.members;
          members[key] = value;
          ExpectRefused(place, members, says);
        };
        for (const auto& [names, values] : kind.absurd) {
          for (const std::string& key : names) {
            for (const json& value : values) refuse(key, value, key == "original_max_position_embeddings" ? "" : key);
          }
        }
        for (const json& type : {json(3), json("a\nb"), json("dynamic")}) refuse("rope_type", type, "");
        for (const json& part : {json(0), json(-1), json(2), json("1")}) refuse("partial_rotary_factor", part, "");
      }
    }
  }
}

TEST_F(FamilyHostileTest, EveryFamilyAndEveryKeyThatChangesItIsHere) {
  std::set<std::string> families;
  for (const FamilyKeys& keys : AllFamilyKeys()) {
    families.insert(keys.family);
    const Names here = keys.sizes + keys.optional_sizes + keys.reals + keys.bools + keys.texts + keys.objects +
                       keys.counts + Names{"layer_types", "rope_parameters", "original_max_position_embeddings"};
    for (const auto& [name, golden] : golden_.items()) {
      if (name.rfind(keys.family + " ", 0) != 0 || golden["differs"].empty()) continue;
      for (const auto& [key, value] : golden["change"].items()) EXPECT_THAT(here, testing::Contains(key)) << name;
    }
  }
  EXPECT_EQ(families.size(), Families().size());
  for (const Family* family : Families()) EXPECT_EQ(families.count(std::string(family->name)), 1u) << family->name;
}

}  // namespace
}  // namespace perennial
