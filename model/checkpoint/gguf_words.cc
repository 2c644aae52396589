#include "model/checkpoint/gguf_words.h"

#include <vector>

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

}  // namespace

const absl::Span<const TensorWord> kGgufWhole = kWhole;
const absl::Span<const absl::string_view> kGgufUnused = kUnused;

const TensorNames* LlamaGgufNames(const GgufFile&) { return &kNames; }

void SetLayerWindows(int32_t window, absl::FunctionRef<bool(int32_t)> slides, ModelConfig& config) {
  constexpr int32_t kMostLayers = 1 << 20;  // more are refused later, with a better word
  if (window == 0 || config.num_layers > kMostLayers) return;
  config.layers.assign(static_cast<size_t>(config.num_layers), LayerView());
  for (int32_t layer = 0; layer < config.num_layers; ++layer) {
    if (slides(layer)) config.layers[static_cast<size_t>(layer)].window_tokens = window;
  }
}

}  // namespace perennial
