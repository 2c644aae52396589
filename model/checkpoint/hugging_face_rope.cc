#include "model/checkpoint/hugging_face_rope.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "model/checkpoint/checkpoint_contents.h"
#include "model/checkpoint/config_fields.h"
#include "model/checkpoint/error_text.h"

namespace perennial {
namespace {

using nlohmann::json;

constexpr absl::string_view kFull = "full_attention";
constexpr absl::string_view kSliding = "sliding_attention";

absl::StatusOr<RopeScalingKind> ReadRopeKind(const JsonObject& rope, const RopeWords& words) {
  std::string kind = "default";
  for (const absl::string_view key : {"type", "rope_type"}) {  // the newer name wins
    const absl::StatusOr<std::optional<std::string>> type = rope.FindString(key);
    if (!type.ok()) return type.status();
    if (type->has_value()) kind = **type;
  }
  if (kind == "default") return RopeScalingKind::kNone;
  if (kind == "linear") return RopeScalingKind::kLinear;
  if (kind == "llama3") return RopeScalingKind::kLlama3;
  if (kind == "yarn") return words.yarn_is_longrope ? RopeScalingKind::kLongRope : RopeScalingKind::kYarn;
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
    scaling.attention_factor = *stated;
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

// Beside the parameters it wins, as in transformers.
absl::Status ReadOriginalLength(const JsonObject& object, const JsonObject& rope, const RopeWords& words,
                                int64_t trained_tokens, int64_t& length) {
  constexpr absl::string_view kKey = "original_max_position_embeddings";
  JsonFields inside(rope);
  JsonFields beside(object);
  length = trained_tokens;
  inside.OptionalLength(kKey, length);
  if (words.original_tokens != 0) length = words.original_tokens;
  beside.OptionalLength(kKey, length);
  return inside.status().ok() ? beside.status() : inside.status();
}

absl::Status ReadScalingNumbers(const JsonObject& object, const JsonObject& rope, const RopeWords& words,
                                int64_t trained_tokens, RopeScaling& scaling) {
  absl::Status original = ReadOriginalLength(object, rope, words, trained_tokens, scaling.original_length);
  if (!original.ok()) return original;
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
absl::Status ReadRope(const JsonObject& object, const JsonObject& where, const RopeWords& words, int64_t trained_tokens,
                      Rope& rope, double& rotary_part) {
  JsonFields fields(where);
  fields.Real("rope_theta", rope.theta);
  fields.Real("partial_rotary_factor", rotary_part);
  if (!fields.status().ok()) return fields.status();
  const absl::StatusOr<RopeScalingKind> kind = ReadRopeKind(where, words);
  if (!kind.ok()) return kind.status();
  rope.scaling = RopeScaling();
  rope.scaling.kind = *kind;
  if (*kind == RopeScalingKind::kNone) return absl::OkStatus();
  return ReadScalingNumbers(object, where, words, trained_tokens, rope.scaling);
}

// What describes RoPE of Gemma 3's layers without a window, and its name in errors.
struct FullRope {
  json members = {{"rope_type", "default"}};
  std::string where = "rope_scaling.";
};

// Members of rope_scaling take the place of those of rope_parameters' full_attention, as in transformers.
absl::StatusOr<FullRope> ReadFullRope(const JsonObject& object, const std::optional<JsonObject>& parameters) {
  FullRope full;
  if (parameters.has_value()) {
    const absl::StatusOr<std::optional<JsonObject>> part = parameters->FindObject(kFull);
    if (!part.ok()) return part.status();
    full.members = part->has_value() ? *parameters->Find(kFull) : json::object();
    full.where = "rope_parameters.full_attention.";
  }
  const absl::StatusOr<std::optional<JsonObject>> scaling = object.FindObject("rope_scaling");
  if (!scaling.ok()) return scaling.status();
  if (!scaling->has_value()) return full;
  for (const auto& [key, value] : object.Find("rope_scaling")->items()) {
    if (value.is_null()) continue;
    full.members[key] = value;
    full.where = parameters.has_value() ? "rope_scaling over rope_parameters.full_attention." : "rope_scaling.";
  }
  // transformers 4 obeyed the older name alone; 5 sees only the newer one, which it has set to "default" before.
  const json* const old_name = (*scaling)->Find("type");
  if (old_name == nullptr || (*scaling)->Find("rope_type") != nullptr) return full;
  const auto new_name = full.members.find("rope_type");
  if (new_name == full.members.end() || *new_name == *old_name) return full;
  return absl::UnimplementedError(
      "key rope_scaling.type alone is not supported in this architecture: some versions of transformers pass over it; "
      "call it rope_type");
}

// The object that describes RoPE, if there is one.
absl::StatusOr<std::optional<JsonObject>> FindRope(const JsonObject& object) {
  const json* const scaling = object.Find("rope_scaling");
  const bool is_empty = scaling == nullptr || (scaling->is_object() && scaling->empty());
  return object.FindObject(is_empty ? "rope_parameters" : "rope_scaling");
}

absl::Status SetRotarySize(const JsonObject& object, const RopeWords& words, double rotary_part, ModelConfig& config) {
  const absl::string_view key = words.rotary_part.empty() ? "partial_rotary_factor" : words.rotary_part;
  if (!(rotary_part > 0 && rotary_part <= 1)) {
    return object.Wrong(key, absl::StrCat("is ", rotary_part, "; it must be more than 0 and at most 1"));
  }
  if (words.rotary_part.empty() && rotary_part != 1) {
    return absl::UnimplementedError(
        absl::StrCat("key ", key, " is ", rotary_part, "; in this architecture whole heads rotate"));
  }
  config.rotary_size = static_cast<int32_t>(config.head_size * rotary_part);
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadRopes(const JsonObject& object, const RopeWords& words, ModelConfig& config) {
  Rope& rope = config.ropes.front();
  double rotary_part = words.default_rotary_part;
  JsonFields fields(object);
  fields.Real(words.theta, rope.theta);
  fields.Real(words.rotary_part.empty() ? "partial_rotary_factor" : words.rotary_part, rotary_part);
  if (!fields.status().ok()) return fields.status();
  const absl::StatusOr<std::optional<JsonObject>> where = FindRope(object);
  if (!where.ok()) return where.status();
  if (where->has_value()) {
    if ((*where)->Find(kFull) != nullptr || (*where)->Find(kSliding) != nullptr) {
      return absl::UnimplementedError("key rope_parameters differs between layers, which this architecture has not");
    }
    absl::Status read = ReadRope(object, **where, words, config.trained_tokens, rope, rotary_part);
    if (!read.ok()) return read;
  }
  config.trained_tokens = TrainedTokens(config.trained_tokens, rope.scaling);
  return SetRotarySize(object, words, rotary_part, config);
}

absl::Status ReadLayerRopes(const JsonObject& object, ModelConfig& config) {
  PERENNIAL_CHECK(config.ropes.size() == 2);
  const RopeWords words;
  Rope& full = config.ropes.front();
  Rope& sliding = config.ropes.back();
  double rotary_part = 1.0;
  JsonFields fields(object);
  fields.Real("rope_theta", full.theta);
  fields.Real("rope_local_base_freq", sliding.theta);
  fields.Real("partial_rotary_factor", rotary_part);
  if (!fields.status().ok()) return fields.status();
  const absl::StatusOr<std::optional<JsonObject>> parameters = object.FindObject("rope_parameters");
  if (!parameters.ok()) return parameters.status();
  const auto read = [&](const JsonObject& part, Rope& rope) {
    return ReadRope(object, part, words, config.trained_tokens, rope, rotary_part);
  };
  if (parameters->has_value()) {
    const bool is_flat = (*parameters)->Find("rope_type") != nullptr || (*parameters)->Find("rope_theta") != nullptr;
    if (is_flat) return object.Wrong("rope_parameters", "has no objects full_attention and sliding_attention");
    const absl::StatusOr<std::optional<JsonObject>> part = (*parameters)->FindObject(kSliding);
    if (!part.ok()) return part.status();
    if (part->has_value()) {
      if (absl::Status status = read(**part, sliding); !status.ok()) return status;
    }
  }
  const absl::StatusOr<FullRope> in_full = ReadFullRope(object, *parameters);
  if (!in_full.ok()) return in_full.status();
  if (absl::Status status = read(JsonObject(in_full->members, in_full->where), full); !status.ok()) return status;
  if (config.layers.empty()) config.ropes.pop_back();
  for (LayerView& layer : config.layers) layer.rope = layer.window_tokens > 0 ? 1 : 0;
  return SetRotarySize(object, words, rotary_part, config);
}

}  // namespace perennial
