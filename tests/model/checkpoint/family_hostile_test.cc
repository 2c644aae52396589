// Absurd values of every key that a family reads from config.json: one clear line each, and no value is taken that the
// network could not be built with.

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/model/checkpoint/golden_config.h"

namespace perennial {
namespace {

using nlohmann::json;

// "a.b" is the member b of the object a.
struct FamilyKeys {
  std::string family;
  std::vector<std::string> sizes, optional_sizes, reals, bools, texts, objects;
};

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<FamilyKeys> AllFamilyKeys() {
  const std::vector<std::string> sizes = {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"};
  const std::vector<std::string> llama_sizes = sizes + std::vector<std::string>{"intermediate_size"};
  const std::vector<std::string> optional = {"num_key_value_heads", "head_dim", "max_position_embeddings"};
  const std::vector<std::string> sliding = optional + std::vector<std::string>{"sliding_window"};
  const std::vector<std::string> rms = {"rms_norm_eps", "rope_theta"};
  const std::vector<std::string> tied = {"tie_word_embeddings"};
  const std::vector<std::string> act = {"hidden_act"};
  const std::vector<std::string> rope = {"rope_scaling", "rope_parameters"};
  const std::vector<std::string> gemma_bools =
      tied + std::vector<std::string>{"attention_bias", "use_bidirectional_attention"};
  const std::vector<std::string> soft =
      rms + std::vector<std::string>{"query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping"};
  return {
      {"llama", llama_sizes, optional, rms, tied + std::vector<std::string>{"attention_bias", "mlp_bias"}, act, rope},
      {"mistral", llama_sizes, sliding, rms, tied, act, rope},
      {"qwen2", llama_sizes, optional, rms, tied + std::vector<std::string>{"use_sliding_window"}, act, rope},
      {"qwen3", llama_sizes, optional, rms, tied + std::vector<std::string>{"attention_bias"}, act, rope},
      {"gemma", llama_sizes, optional, rms, gemma_bools, act, rope},
      {"gemma2", llama_sizes, sliding, soft, gemma_bools, {"hidden_activation"}, rope},
      {"gemma3",
       llama_sizes,
       sliding + std::vector<std::string>{"sliding_window_pattern"},
       soft + std::vector<std::string>{"rope_local_base_freq"},
       gemma_bools,
       {"hidden_activation"},
       rope},
      {"phi3", llama_sizes, sliding, rms + std::vector<std::string>{"partial_rotary_factor"}, tied, act, rope},
      {"stablelm",
       llama_sizes,
       optional,
       {"layer_norm_eps", "rope_theta", "partial_rotary_factor"},
       tied + std::vector<std::string>{"use_qkv_bias", "qk_layernorm", "use_parallel_residual"},
       act,
       rope},
      {"falcon",
       sizes,
       {"num_kv_heads", "ffn_hidden_size", "max_position_embeddings", "num_ln_in_parallel_attn", "n_embed"},
       {"layer_norm_epsilon", "rope_theta"},
       tied + std::vector<std::string>{"new_decoder_architecture", "multi_query", "parallel_attn", "alibi", "bias"},
       {"activation"},
       rope},
      {"mpt",
       {"vocab_size", "d_model", "n_layers", "n_heads"},
       {"max_seq_len", "attn_config.kv_n_heads"},
       {"expansion_ratio", "layer_norm_epsilon", "attn_config.clip_qkv", "attn_config.softmax_scale",
        "attn_config.alibi_bias_max"},
       tied + std::vector<std::string>{"no_bias", "attn_config.alibi", "attn_config.rope", "attn_config.qk_ln"},
       {"norm_type"},
       {"attn_config", "ffn_config"}},
      {"gpt_neox",
       llama_sizes,
       {"max_position_embeddings"},
       {"layer_norm_eps", "rotary_emb_base", "rotary_pct"},
       tied + std::vector<std::string>{"use_parallel_residual", "attention_bias"},
       act,
       rope},
  };
}

class FamilyHostileTest : public testing::Test {
 protected:
  void UseFamily(const std::string& family) {
    std::ifstream stream(PERENNIAL_SOURCE_DIR "/tests/golden/families/defaults.json");
    config_ = json::parse(stream)[family]["config"];
  }

  // What is said of the configuration with this value; must be one line about `key`, or about a number made from it.
  void ExpectRefused(const std::string& key, const json& value, const std::string& says) {
    SCOPED_TRACE(key + " = " + value.dump());
    json config = config_;
    const size_t dot = key.find('.');
    if (dot == std::string::npos) {
      config[key] = value;
    } else {
      config[key.substr(0, dot)][key.substr(dot + 1)] = value;
    }
    const absl::StatusOr<ModelConfig> read = ReadHuggingFaceConfig(JsonObject(config));
    const absl::Status status = read.ok() ? ValidateModelConfig(*read) : read.status();
    ASSERT_FALSE(status.ok()) << "was taken";
    EXPECT_TRUE(absl::IsInvalidArgument(status) || absl::IsUnimplemented(status)) << status;
    EXPECT_EQ(status.message().find('\n'), absl::string_view::npos) << status;
    EXPECT_LT(status.message().size(), 300u) << status;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(says));
  }

  json config_;
};

TEST_F(FamilyHostileTest, AbsurdValuesOfEveryKeyAreRefusedInOneLine) {
  constexpr uint64_t kTooLarge = uint64_t{1} << 63;
  for (const FamilyKeys& keys : AllFamilyKeys()) {
    SCOPED_TRACE(keys.family);
    UseFamily(keys.family);
    for (const std::string& key : keys.sizes) {
      ExpectRefused(key, nullptr, key + " is missing");
      ExpectRefused(key, 2147483648, key + " is 2147483648");
      ExpectRefused(key, 2147483647, "");
    }
    for (const std::string& key : keys.sizes + keys.optional_sizes) {
      ExpectRefused(key, 0, key + " is 0");
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

TEST_F(FamilyHostileTest, AbsurdRopesAreRefusedInOneLine) {
  for (const FamilyKeys& keys : AllFamilyKeys()) {
    if (keys.family == "mpt" || keys.family == "gemma3") continue;
    SCOPED_TRACE(keys.family);
    UseFamily(keys.family);
    const auto rope = [&](const json& changes) {
      json members = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}};
      if (keys.family == "phi3")
        members.merge_patch({{"rope_type", "longrope"}, {"long_factor", {1}}, {"short_factor", {1}}});
      members.update(changes);
      return members;
    };
    for (const json& factor : {json(0), json(-1), json(1e308), json("4")}) {
      ExpectRefused("rope_scaling", rope({{"factor", factor}}), "factor");
    }
    for (const json& length : {json(0), json(-1), json(uint64_t{1} << 63), json("64"), json(1.5)}) {
      ExpectRefused("rope_scaling", rope({{"original_max_position_embeddings", length}}), "original_max_position");
    }
    for (const json& theta : {json(0), json(-1), json(1e308), json("4")}) {
      ExpectRefused("rope_scaling", rope({{"rope_theta", theta}}), "rope_theta");
    }
    for (const json& type : {json(3), json("a\nb"), json("dynamic")}) {
      ExpectRefused("rope_scaling", rope({{"rope_type", type}}), "");
    }
    for (const json& part : {json(0), json(-1), json(2), json("1")}) {
      ExpectRefused("rope_scaling", rope({{"partial_rotary_factor", part}}), "");
    }
  }
}

}  // namespace
}  // namespace perennial
