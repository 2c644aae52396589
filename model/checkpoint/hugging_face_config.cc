#include "model/checkpoint/hugging_face_config.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/checkpoint_contents.h"
#include "model/checkpoint/error_text.h"

namespace perennial {
namespace {

using nlohmann::json;

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxTokens = int64_t{1} << 40;

absl::Status ReadSize(const JsonObject& object, absl::string_view key, int32_t& size) {
  const absl::StatusOr<int64_t> number = object.GetInteger(key, 1, kMaxInt32);
  if (!number.ok()) return number.status();
  size = static_cast<int32_t>(*number);
  return absl::OkStatus();
}

// The next three read an optional member over a value, which keeps its default if the key is absent or null.
absl::Status ReadOptionalSize(const JsonObject& object, absl::string_view key, int64_t min, int32_t& size) {
  const absl::StatusOr<std::optional<int64_t>> number = object.FindInteger(key, min, kMaxInt32);
  if (!number.ok()) return number.status();
  if (number->has_value()) size = static_cast<int32_t>(**number);
  return absl::OkStatus();
}

absl::Status ReadReal(const JsonObject& object, absl::string_view key, double& value) {
  const absl::StatusOr<std::optional<double>> number = object.FindReal(key);
  if (!number.ok()) return number.status();
  if (number->has_value()) value = **number;
  return absl::OkStatus();
}

absl::Status ReadBool(const JsonObject& object, absl::string_view key, bool& value) {
  const absl::StatusOr<std::optional<bool>> truth = object.FindBool(key);
  if (!truth.ok()) return truth.status();
  if (truth->has_value()) value = **truth;
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadArchitecture(const JsonObject& object) {
  std::string name;
  const json* const architectures = object.Find("architectures");
  if (architectures != nullptr) {
    if (!architectures->is_array() || architectures->empty() || !architectures->front().is_string()) {
      return object.Wrong("architectures", "is not a list of names");
    }
    name = architectures->front().get_ref<const std::string&>();
  } else {
    const absl::StatusOr<std::optional<std::string>> type = object.FindString("model_type");
    if (!type.ok()) return type.status();
    if (!type->has_value()) return object.Wrong("architectures", "is missing");
    name = **type;
  }
  if (name == "LlamaForCausalLM" || name == "llama") return std::string("llama");
  if (name == "MistralForCausalLM" || name == "mistral") return std::string("mistral");
  return absl::UnimplementedError(absl::StrCat("architecture ", Quoted(name), " is not supported; supported are ",
                                               "LlamaForCausalLM and MistralForCausalLM"));
}

absl::StatusOr<RopeScalingKind> ReadRopeKind(const JsonObject& rope) {
  std::string kind = "default";
  for (const absl::string_view key : {"type", "rope_type"}) {  // the newer name wins
    const absl::StatusOr<std::optional<std::string>> type = rope.FindString(key);
    if (!type.ok()) return type.status();
    if (type->has_value()) kind = **type;
  }
  if (kind == "default") return RopeScalingKind::kNone;
  if (kind == "linear") return RopeScalingKind::kLinear;
  if (kind == "llama3") return RopeScalingKind::kLlama3;
  if (kind == "yarn") return RopeScalingKind::kYarn;
  const bool grows = kind == "dynamic" || kind == "longrope" || kind == "su";
  return absl::UnimplementedError(
      absl::StrCat("RoPE scaling type ", Quoted(kind), " is not supported",
                   grows ? ": its frequencies change with the running length, and cached keys cannot follow" : "",
                   "; supported are default, linear, llama3 and yarn"));
}

// YaRN's attention factor as transformers infers it from two more numbers, if both are given.
absl::Status ReadYarnAttention(const JsonObject& rope, RopeScaling& scaling) {
  const absl::StatusOr<std::optional<double>> stated = rope.FindReal("attention_factor");
  if (!stated.ok()) return stated.status();
  double mscale = 0;
  double mscale_all_dim = 0;
  absl::Status read = ReadReal(rope, "mscale", mscale);
  read.Update(ReadReal(rope, "mscale_all_dim", mscale_all_dim));
  if (!read.ok()) return read;
  const auto attention = [&scaling](double m) {
    return scaling.factor <= 1 ? 1.0 : 0.1 * m * std::log(scaling.factor) + 1.0;
  };
  if (stated->has_value()) {
    scaling.attention_factor = **stated;
  } else if (mscale != 0 && mscale_all_dim != 0) {
    scaling.attention_factor = attention(mscale) / attention(mscale_all_dim);
  }
  return absl::OkStatus();
}

absl::Status ReadScalingNumbers(const JsonObject& object, const JsonObject& rope, ModelConfig& config) {
  RopeScaling& scaling = config.rope_scaling;
  scaling.original_length = config.trained_tokens;
  for (const JsonObject* source : {&rope, &object}) {  // beside the parameters it wins, as in transformers
    const absl::StatusOr<std::optional<int64_t>> original =
        source->FindInteger("original_max_position_embeddings", 1, kMaxTokens);
    if (!original.ok()) return original.status();
    if (original->has_value()) scaling.original_length = **original;
  }
  const absl::StatusOr<std::optional<double>> factor = rope.FindReal("factor");
  if (!factor.ok()) return factor.status();
  if (factor->has_value()) {
    scaling.factor = **factor;
  } else if (scaling.kind == RopeScalingKind::kYarn) {
    scaling.factor = static_cast<double>(config.trained_tokens) / static_cast<double>(scaling.original_length);
  } else {
    return rope.Wrong("factor", "is missing");
  }
  if (scaling.kind == RopeScalingKind::kLinear) return absl::OkStatus();
  if (scaling.kind == RopeScalingKind::kLlama3) {
    for (const auto& [key, value] : {std::pair("low_freq_factor", &scaling.low_freq_factor),
                                     std::pair("high_freq_factor", &scaling.high_freq_factor)}) {
      if (rope.Find(key) == nullptr) return rope.Wrong(key, "is missing");
      if (absl::Status read = ReadReal(rope, key, *value); !read.ok()) return read;
    }
    return absl::OkStatus();
  }
  absl::Status read = ReadReal(rope, "beta_fast", scaling.beta_fast);
  read.Update(ReadReal(rope, "beta_slow", scaling.beta_slow));
  read.Update(ReadBool(rope, "truncate", scaling.truncate));
  if (!read.ok()) return read;
  return ReadYarnAttention(rope, scaling);
}

absl::Status ReadRope(const JsonObject& object, ModelConfig& config) {
  absl::Status read = ReadReal(object, "rope_theta", config.rope_theta);
  double rotary_part = 1.0;
  read.Update(ReadReal(object, "partial_rotary_factor", rotary_part));
  if (!read.ok()) return read;
  for (const absl::string_view key : {"rope_scaling", "rope_parameters"}) {
    const absl::StatusOr<std::optional<JsonObject>> rope = object.FindObject(key);
    if (!rope.ok()) return rope.status();
    if (!rope->has_value()) continue;
    for (const absl::string_view layer_kind : {"full_attention", "sliding_attention"}) {
      if ((*rope)->Find(layer_kind) != nullptr) {
        return absl::UnimplementedError(absl::StrCat("key ", key, " differs between layers, which is not supported"));
      }
    }
    read = ReadReal(**rope, "rope_theta", config.rope_theta);
    read.Update(ReadReal(**rope, "partial_rotary_factor", rotary_part));
    if (!read.ok()) return read;
    const absl::StatusOr<RopeScalingKind> kind = ReadRopeKind(**rope);
    if (!kind.ok()) return kind.status();
    config.rope_scaling = RopeScaling();
    config.rope_scaling.kind = *kind;
    if (*kind == RopeScalingKind::kNone) continue;
    if (read = ReadScalingNumbers(object, **rope, config); !read.ok()) return read;
  }
  if (rotary_part != 1.0) {
    return absl::UnimplementedError(
        absl::StrCat("key partial_rotary_factor is ", rotary_part, "; only networks that rotate whole heads work"));
  }
  return absl::OkStatus();
}

absl::Status ReadNetworkSizes(const JsonObject& object, ModelConfig& config) {
  for (const auto& [key, size] :
       {std::pair("vocab_size", &config.vocab_size), std::pair("hidden_size", &config.hidden_size),
        std::pair("intermediate_size", &config.feed_forward_size), std::pair("num_hidden_layers", &config.num_layers),
        std::pair("num_attention_heads", &config.num_heads)}) {
    if (absl::Status read = ReadSize(object, key, *size); !read.ok()) return read;
  }
  config.num_kv_heads = config.num_heads;
  config.head_size = config.hidden_size / config.num_heads;
  absl::Status read = ReadOptionalSize(object, "num_key_value_heads", 1, config.num_kv_heads);
  read.Update(ReadOptionalSize(object, "head_dim", 1, config.head_size));
  double epsilon = 1e-6;  // transformers' default
  read.Update(ReadReal(object, "rms_norm_eps", epsilon));
  if (!read.ok()) return read;
  config.rms_norm_epsilon = static_cast<float>(epsilon);
  const absl::StatusOr<int64_t> trained = object.GetInteger("max_position_embeddings", 1, kMaxTokens);
  if (!trained.ok()) return trained.status();
  config.trained_tokens = *trained;
  return absl::OkStatus();
}

// What would make the network another one than we compute.
absl::Status RefuseVariants(const JsonObject& object) {
  const absl::StatusOr<std::optional<std::string>> activation = object.FindString("hidden_act");
  if (!activation.ok()) return activation.status();
  if (activation->value_or("silu") != "silu") {
    return absl::UnimplementedError(
        absl::StrCat("key hidden_act is ", Quoted(**activation), "; supported is \"silu\""));
  }
  if (object.Find("quantization_config") != nullptr) {
    return absl::UnimplementedError(
        "key quantization_config: quantised weights are not supported in this format; use a GGUF file");
  }
  const json* const layer_types = object.Find("layer_types");
  if (layer_types != nullptr &&
      !(layer_types->is_array() &&
        std::adjacent_find(layer_types->begin(), layer_types->end(), std::not_equal_to<>()) == layer_types->end())) {
    return absl::UnimplementedError("key layer_types differs between layers, which is not supported");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> ReadHuggingFaceConfig(const JsonObject& object) {
  ModelConfig config;
  absl::StatusOr<std::string> architecture = ReadArchitecture(object);
  if (!architecture.ok()) return architecture.status();
  config.architecture = *std::move(architecture);
  if (absl::Status refused = RefuseVariants(object); !refused.ok()) return refused;
  const absl::StatusOr<std::optional<std::string>> name = object.FindString("_name_or_path");
  if (!name.ok()) return name.status();
  config.name = name->value_or("");
  if (absl::Status read = ReadNetworkSizes(object, config); !read.ok()) return read;
  if (absl::Status read = ReadRope(object, config); !read.ok()) return read;
  config.trained_tokens = TrainedTokens(config.trained_tokens, config.rope_scaling);

  absl::Status read = ReadBool(object, "tie_word_embeddings", config.tied_embeddings);
  if (config.architecture == "llama") {
    read.Update(ReadBool(object, "attention_bias", config.attention_bias));
    read.Update(ReadBool(object, "mlp_bias", config.feed_forward_bias));
  } else {
    read.Update(ReadOptionalSize(object, "sliding_window", 0, config.layer_window_tokens));
  }
  if (!read.ok()) return read;

  const absl::StatusOr<std::optional<int64_t>> bos = object.FindInteger("bos_token_id", 0, config.vocab_size - 1);
  if (!bos.ok()) return bos.status();
  if (bos->has_value()) config.bos_token = static_cast<TokenId>(**bos);
  const absl::StatusOr<std::vector<int64_t>> ends = object.FindIntegers("eos_token_id", 0, config.vocab_size - 1);
  if (!ends.ok()) return ends.status();
  for (const int64_t token : *ends) AddEndToken(static_cast<TokenId>(token), config);
  return config;
}

absl::StatusOr<GenerationDefaults> ReadHuggingFaceGeneration(const JsonObject& object, int32_t vocab_size,
                                                             std::vector<TokenId>& end_tokens) {
  GenerationDefaults generation;
  for (const auto& [key, value] :
       {std::pair("temperature", &generation.temperature), std::pair("top_p", &generation.top_p),
        std::pair("min_p", &generation.min_p), std::pair("repetition_penalty", &generation.repetition_penalty)}) {
    const absl::StatusOr<std::optional<double>> number = object.FindReal(key);
    if (!number.ok()) return number.status();
    if (number->has_value()) *value = static_cast<float>(**number);
  }
  for (const auto& [key, value] :
       {std::pair("top_k", &generation.top_k), std::pair("max_new_tokens", &generation.max_new_tokens)}) {
    const absl::StatusOr<std::optional<int64_t>> number = object.FindInteger(key, 0, kMaxInt32);
    if (!number.ok()) return number.status();
    if (number->has_value()) *value = static_cast<int32_t>(**number);
  }
  const absl::StatusOr<std::optional<bool>> do_sample = object.FindBool("do_sample");
  if (!do_sample.ok()) return do_sample.status();
  generation.do_sample = *do_sample;
  const absl::StatusOr<std::vector<int64_t>> ends = object.FindIntegers("eos_token_id", 0, vocab_size - 1);
  if (!ends.ok()) return ends.status();
  for (const int64_t token : *ends) end_tokens.push_back(static_cast<TokenId>(token));
  return generation;
}

}  // namespace perennial
