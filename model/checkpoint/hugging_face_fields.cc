#include "model/checkpoint/hugging_face_fields.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/error_text.h"

namespace perennial {
namespace {

using nlohmann::json;

constexpr absl::string_view kFull = "full_attention";
constexpr absl::string_view kSliding = "sliding_attention";

}  // namespace

absl::Status ReadSizes(const JsonObject& object, ModelConfig& config) {
  JsonFields fields(object);
  fields.Size("vocab_size", config.vocab_size);
  fields.Size("hidden_size", config.hidden_size);
  fields.Size("intermediate_size", config.feed_forward_size);
  fields.Size("num_hidden_layers", config.num_layers);
  fields.Size("num_attention_heads", config.num_heads);
  fields.OptionalLength("max_position_embeddings", config.trained_tokens);
  fields.Bool("tie_word_embeddings", config.tied_embeddings);
  fields.OptionalSize("num_key_value_heads", 1, config.num_kv_heads);
  fields.OptionalSize("head_dim", 1, config.head_size);
  if (!fields.status().ok()) return fields.status();
  if (object.IsNull("num_key_value_heads")) config.num_kv_heads = 0;
  SetUnstatedHeads(config);
  return absl::OkStatus();
}

void ReadWindow(JsonFields& fields, int32_t& window) {
  fields.OptionalSize("sliding_window", 1, window);
  if (fields.object().IsNull("sliding_window")) window = 0;
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
