#include "model/checkpoint/hugging_face_fields.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/checkpoint_contents.h"
#include "model/checkpoint/config_fields.h"
#include "model/checkpoint/error_text.h"

namespace perennial {
namespace {

using nlohmann::json;

constexpr absl::string_view kFull = "full_attention";
constexpr absl::string_view kSliding = "sliding_attention";

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
  // Phi-3's early files call their lists of factors so.
  const bool has_lists = rope.Find("long_factor") != nullptr;
  if (kind == "yarn") return has_lists ? RopeScalingKind::kLongRope : RopeScalingKind::kYarn;
  if (kind == "longrope" || kind == "su") return RopeScalingKind::kLongRope;
  const bool grows = kind == "dynamic";
  return absl::UnimplementedError(
      absl::StrCat("RoPE scaling type ", Quoted(kind), " is not supported",
                   grows ? ": its frequencies change with the running length, and cached keys cannot follow" : "",
                   "; supported are default, linear, llama3, yarn and longrope"));
}

// YaRN's attention factor as transformers infers it from two more numbers, if both are given.
absl::Status ReadYarnAttention(const JsonObject& rope, RopeScaling& scaling) {
  const absl::StatusOr<std::optional<double>> stated = rope.FindReal("attention_factor");
  if (!stated.ok()) return stated.status();
  double mscale = 0;
  double mscale_all_dim = 0;
  JsonFields fields(rope);
  fields.Real("mscale", mscale);
  fields.Real("mscale_all_dim", mscale_all_dim);
  if (!fields.status().ok()) return fields.status();
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

// A list of numbers; INVALID_ARGUMENT if it is absent.
absl::Status ReadFactors(const JsonObject& rope, absl::string_view key, std::vector<float>& factors) {
  const json* const list = rope.Find(key);
  if (list == nullptr) return rope.Wrong(key, "is missing");
  if (!list->is_array()) return rope.Wrong(key, "is not a list of numbers");
  for (const json& number : *list) {
    if (!number.is_number()) return rope.Wrong(key, "is not a list of numbers");
    factors.push_back(static_cast<float>(number.get<double>()));
  }
  return absl::OkStatus();
}

absl::Status ReadLongRope(const JsonObject& rope, RopeScaling& scaling) {
  if (absl::Status read = ReadFactors(rope, "short_factor", scaling.short_factors); !read.ok()) return read;
  if (absl::Status read = ReadFactors(rope, "long_factor", scaling.long_factors); !read.ok()) return read;
  const absl::StatusOr<std::optional<double>> attention_factor = rope.FindReal("attention_factor");
  if (!attention_factor.ok()) return attention_factor.status();
  scaling.attention_factor = *attention_factor;
  return absl::OkStatus();
}

absl::Status ReadScalingNumbers(const JsonObject& object, const JsonObject& rope, int64_t trained_tokens,
                                RopeScaling& scaling) {
  scaling.original_length = trained_tokens;
  for (const JsonObject* source : {&rope, &object}) {  // beside the parameters it wins, as in transformers
    const absl::StatusOr<std::optional<int64_t>> original =
        source->FindInteger("original_max_position_embeddings", 1, kMaxConfigTokens);
    if (!original.ok()) return original.status();
    if (original->has_value()) scaling.original_length = **original;
  }
  const absl::StatusOr<std::optional<double>> factor = rope.FindReal("factor");
  if (!factor.ok()) return factor.status();
  if (factor->has_value()) {
    scaling.factor = **factor;
  } else if (scaling.kind == RopeScalingKind::kYarn || scaling.kind == RopeScalingKind::kLongRope) {
    scaling.factor = static_cast<double>(trained_tokens) / static_cast<double>(scaling.original_length);
  } else {
    return rope.Wrong("factor", "is missing");
  }
  if (scaling.kind == RopeScalingKind::kLinear) return absl::OkStatus();
  if (scaling.kind == RopeScalingKind::kLongRope) return ReadLongRope(rope, scaling);
  JsonFields fields(rope);
  if (scaling.kind == RopeScalingKind::kLlama3) {
    for (const auto& [key, value] : {std::pair("low_freq_factor", &scaling.low_freq_factor),
                                     std::pair("high_freq_factor", &scaling.high_freq_factor)}) {
      if (rope.Find(key) == nullptr) return rope.Wrong(key, "is missing");
      fields.Real(key, *value);
    }
    return fields.status();
  }
  fields.Real("beta_fast", scaling.beta_fast);
  fields.Real("beta_slow", scaling.beta_slow);
  fields.Bool("truncate", scaling.truncate);
  if (!fields.status().ok()) return fields.status();
  return ReadYarnAttention(rope, scaling);
}

// One set of frequencies, over what `rope` and `rotary_part` hold. `where`: rope_scaling or rope_parameters, or a part
// of the latter.
absl::Status ReadRope(const JsonObject& object, const JsonObject& where, int64_t trained_tokens, Rope& rope,
                      double& rotary_part) {
  JsonFields fields(where);
  fields.Real("rope_theta", rope.theta);
  fields.Real("partial_rotary_factor", rotary_part);
  if (!fields.status().ok()) return fields.status();
  const absl::StatusOr<RopeScalingKind> kind = ReadRopeKind(where);
  if (!kind.ok()) return kind.status();
  rope.scaling = RopeScaling();
  rope.scaling.kind = *kind;
  if (*kind == RopeScalingKind::kNone) return absl::OkStatus();
  return ReadScalingNumbers(object, where, trained_tokens, rope.scaling);
}

}  // namespace

absl::Status ReadSizes(const JsonObject& object, ModelConfig& config) {
  JsonFields fields(object);
  fields.Size("vocab_size", config.vocab_size);
  fields.Size("hidden_size", config.hidden_size);
  fields.Size("intermediate_size", config.feed_forward_size);
  fields.Size("num_hidden_layers", config.num_layers);
  fields.Size("num_attention_heads", config.num_heads);
  fields.Length("max_position_embeddings", config.trained_tokens);
  fields.Bool("tie_word_embeddings", config.tied_embeddings);
  if (!fields.status().ok()) return fields.status();
  config.num_kv_heads = config.num_heads;
  if (config.head_size == 0) config.head_size = config.hidden_size / config.num_heads;
  fields.OptionalSize("num_key_value_heads", 1, config.num_kv_heads);
  fields.OptionalSize("head_dim", 1, config.head_size);
  return fields.status();
}

absl::Status ReadRopes(const JsonObject& object, const RopeWords& words, ModelConfig& config) {
  Rope rope = config.ropes.front();
  double rotary_part = words.default_rotary_part;
  JsonFields fields(object);
  fields.Real(words.theta, rope.theta);
  fields.Real(words.rotary_part, rotary_part);
  if (!fields.status().ok()) return fields.status();
  std::optional<Rope> sliding;
  for (const absl::string_view key : {"rope_scaling", "rope_parameters"}) {
    const absl::StatusOr<std::optional<JsonObject>> found = object.FindObject(key);
    if (!found.ok()) return found.status();
    if (!found->has_value()) continue;
    if ((*found)->Find(kFull) == nullptr && (*found)->Find(kSliding) == nullptr) {
      absl::Status read = ReadRope(object, **found, config.trained_tokens, rope, rotary_part);
      if (!read.ok()) return read;
      continue;
    }
    sliding = rope;
    for (const auto& [kind, target] : {std::pair(kFull, &rope), std::pair(kSliding, &*sliding)}) {
      const absl::StatusOr<std::optional<JsonObject>> part = (*found)->FindObject(kind);
      if (!part.ok()) return part.status();
      if (!part->has_value()) continue;
      absl::Status read = ReadRope(object, **part, config.trained_tokens, *target, rotary_part);
      if (!read.ok()) return read;
    }
  }
  if (!(rotary_part > 0 && rotary_part <= 1)) {
    return object.Wrong(words.rotary_part, absl::StrCat("is ", rotary_part, "; it must be more than 0 and at most 1"));
  }
  config.rotary_size = static_cast<int32_t>(config.head_size * rotary_part);
  config.ropes = {rope};
  if (sliding.has_value() && !config.layers.empty()) {
    config.ropes.push_back(*sliding);
    for (LayerView& layer : config.layers) layer.rope = layer.window_tokens > 0 ? 1 : 0;
  }
  config.trained_tokens = TrainedTokens(config.trained_tokens, rope.scaling);
  return absl::OkStatus();
}

absl::Status ReadLayerTypes(const JsonObject& object, int32_t window, absl::FunctionRef<bool(int32_t)> slides,
                            ModelConfig& config) {
  constexpr int32_t kMostLayers = 1 << 20;  // more are refused later, with a better word
  if (config.num_layers > kMostLayers) return absl::OkStatus();
  const json* const types = object.Find("layer_types");
  if (types != nullptr && (!types->is_array() || types->size() != static_cast<size_t>(config.num_layers))) {
    return object.Wrong("layer_types", absl::StrCat("is not a list of ", config.num_layers, " names"));
  }
  std::vector<LayerView> layers(static_cast<size_t>(config.num_layers));
  bool any = false;
  for (int32_t layer = 0; layer < config.num_layers; ++layer) {
    bool sliding = types == nullptr && window > 0 && slides(layer);
    if (types != nullptr) {
      const json& type = (*types)[static_cast<size_t>(layer)];
      const std::string name = type.is_string() ? type.get<std::string>() : "";
      sliding = name == kSliding;
      if (!sliding && name != kFull) {
        return absl::UnimplementedError(
            absl::StrCat("key layer_types has ", Quoted(name), "; supported are full_attention and sliding_attention"));
      }
      if (sliding && window == 0)
        return object.Wrong("layer_types", "has sliding layers, but sliding_window is not set");
    }
    layers[static_cast<size_t>(layer)].window_tokens = sliding ? window : 0;
    any |= sliding;
  }
  if (any) config.layers = std::move(layers);
  return absl::OkStatus();
}

absl::Status ReadActivation(const JsonObject& object, absl::string_view key, ModelConfig& config) {
  const absl::StatusOr<std::optional<std::string>> activation = object.FindString(key);
  if (!activation.ok()) return activation.status();
  if (!activation->has_value()) return absl::OkStatus();
  const std::string& name = **activation;
  if (name == "silu" || name == "swish") {
    config.activation = Activation::kSilu;
  } else if (name == "gelu" || name == "gelu_python") {
    config.activation = Activation::kGelu;
  } else if (name == "gelu_new" || name == "gelu_fast" || name == "gelu_pytorch_tanh") {
    config.activation = Activation::kGeluTanh;
  } else {
    return absl::UnimplementedError(
        absl::StrCat("key ", key, " is ", Quoted(name), "; supported are silu, gelu and gelu_pytorch_tanh"));
  }
  return absl::OkStatus();
}

}  // namespace perennial
