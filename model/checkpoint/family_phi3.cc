// Phi-3: Llama with its matrices fused, queries, keys and values in one, gate and up in another.

#include "model/checkpoint/family.h"
#include "model/checkpoint/gguf_words.h"
#include "model/checkpoint/hugging_face_fields.h"
#include "model/checkpoint/hugging_face_rope.h"

namespace perennial {
namespace {

constexpr TensorNames kNames = {};
constexpr absl::string_view kPhi3[] = {"Phi3ForCausalLM", "phi3"};

constexpr TensorWord kGgufWords[] = {
    {"attn_norm", "input_layernorm"},    {"ffn_norm", "post_attention_layernorm"}, {"attn_qkv", "self_attn.qkv_proj"},
    {"attn_output", "self_attn.o_proj"}, {"ffn_up", "mlp.gate_up_proj"},           {"ffn_down", "mlp.down_proj"},
};
const TensorNames* GgufNames(const GgufFile&) {
  static const TensorNames names = {
      .prefix = "", .layer = "blk.", .whole = kGgufWhole, .per_layer = kGgufWords, .unused = kGgufUnused};
  return &names;
}

constexpr RopeWords kRopeWords = {
    .rotary_part = "partial_rotary_factor", .yarn_is_longrope = true, .original_tokens = 4096};

bool EveryLayer(int32_t) { return true; }

absl::Status Read(const JsonObject& object, ModelConfig& config) {
  config.trained_tokens = 4096;  // transformers' defaults, here and below
  if (absl::Status read = ReadSizes(object, config); !read.ok()) return read;
  config.qkv_layout = QkvLayout::kStacked;
  config.fused_gate_up = true;
  int32_t window = 0;
  JsonFields fields(object);
  fields.Real("rms_norm_eps", config.norm_epsilon);
  fields.Fail(ReadActivation(object, "hidden_act", config));
  ReadWindow(fields, window);
  fields.Fail(ReadLayerTypes(object, window, EveryLayer, config));
  fields.Fail(ReadRopes(object, kRopeWords, config));
  return fields.status();
}

void ReadGguf(GgufFields& fields, const TensorTable&, ModelConfig& config) {
  config.fused_gate_up = true;
  int32_t window = 0;
  fields.OptionalSize("attention.sliding_window", 0, window);
  SetLayerWindows(window, EveryLayer, config);
}

}  // namespace

const Family kPhi3Family = {.name = "phi3",
                            .hugging_face = kPhi3,
                            .hugging_face_names = &kNames,
                            .read_hugging_face = Read,
                            .gguf = "phi3",
                            .gguf_names = GgufNames,
                            .read_gguf = ReadGguf};

}  // namespace perennial
