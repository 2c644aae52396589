#include "model/checkpoint/gguf_words.h"

#include <limits>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"

namespace perennial {
namespace {

constexpr TensorWord kWhole[] = {{"token_embd", "embed_tokens"}, {"output_norm", "norm"}, {"output", "lm_head"}};
constexpr absl::string_view kUnused[] = {"rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight",
                                         ".attn_rot_embd"};
constexpr TensorWord kPerLayer[] = {
    {"attn_norm", "input_layernorm"},    {"ffn_norm", "post_attention_layernorm"},
    {"attn_q", "self_attn.q_proj"},      {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},      {"attn_qkv", "self_attn.qkv_proj"},
    {"attn_q_norm", "self_attn.q_norm"}, {"attn_k_norm", "self_attn.k_norm"},
    {"attn_output", "self_attn.o_proj"}, {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},           {"ffn_down", "mlp.down_proj"},
};
constexpr TensorNames kNames = {
    .prefix = "", .layer = "blk.", .whole = kWhole, .per_layer = kPerLayer, .unused = kUnused};

constexpr absl::string_view kPattern = "attention.sliding_window_pattern";

// Elements are bools, or numbers that are not 0; unset for anything else.
std::optional<bool> Slides(const GgufArray& array, uint64_t layer) {
  if (array.packed.empty()) return std::nullopt;
  if (array.element_type == GgufType::kBool) return array.packed[layer] != std::byte{0};
  const std::optional<int64_t> number = array.Integer(layer);
  return number.has_value() ? std::optional<bool>(*number != 0) : std::nullopt;
}

}  // namespace

const absl::Span<const TensorWord> kGgufWhole = kWhole;
const absl::Span<const absl::string_view> kGgufUnused = kUnused;

const TensorNames* LlamaGgufNames(const GgufFile&) { return &kNames; }

void ReadLayerWindows(int32_t window, int32_t pattern, GgufFields& fields, ModelConfig& config) {
  const GgufArray* const array = fields.metadata().FindArrayOrNull(fields.Key(kPattern));
  if (array == nullptr) {
    fields.OptionalSize(kPattern, 0, pattern);
    SetLayerWindows(
        window, [pattern](int32_t layer) { return pattern == 0 || (layer + 1) % pattern != 0; }, config);
    return;
  }
  const size_t num_layers = static_cast<size_t>(config.num_layers);
  if (array->size != num_layers || !Slides(*array, 0).has_value()) {
    fields.Fail(absl::InvalidArgumentError(absl::StrCat("metadata key ", fields.Key(kPattern), " is not a list of ",
                                                        num_layers, " bools, one for each layer")));
    return;
  }
  SetLayerWindows(
      window, [array](int32_t layer) { return *Slides(*array, static_cast<uint64_t>(layer)); }, config);
}

void SetLayerWindows(int32_t window, absl::FunctionRef<bool(int32_t)> slides, ModelConfig& config) {
  constexpr int32_t kMostLayers = 1 << 20;  // more are refused later, with a better word
  if (window == 0 || config.num_layers > kMostLayers) return;
  config.layers.assign(static_cast<size_t>(config.num_layers), LayerView());
  for (int32_t layer = 0; layer < config.num_layers; ++layer) {
    if (slides(layer)) config.layers[static_cast<size_t>(layer)].window_tokens = window;
  }
}

}  // namespace perennial
