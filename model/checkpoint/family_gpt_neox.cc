// GPT-NeoX and Pythia: LayerNorm, a quarter of each head rotates, attention and feed-forward side by side behind norms
// of their own (or one after the other, in some models), queries, keys and values fused head by head.

#include "model/checkpoint/family.h"
#include "model/checkpoint/gguf_words.h"
#include "model/checkpoint/hugging_face_fields.h"
#include "model/checkpoint/hugging_face_rope.h"

namespace perennial {
namespace {

constexpr TensorWord kWhole[] = {{"embed_in", "embed_tokens"}, {"final_layer_norm", "norm"}, {"embed_out", "lm_head"}};
constexpr TensorWord kPerLayer[] = {
    {"attention.query_key_value", "self_attn.qkv_proj"},
    {"attention.dense", "self_attn.o_proj"},
    {"mlp.dense_h_to_4h", "mlp.up_proj"},
    {"mlp.dense_4h_to_h", "mlp.down_proj"},
};
constexpr absl::string_view kUnused[] = {".rotary_emb.inv_freq", ".attention.bias", ".attention.masked_bias"};
constexpr TensorNames kNames = {
    .prefix = "gpt_neox.", .layer = "layers.", .whole = kWhole, .per_layer = kPerLayer, .unused = kUnused};
constexpr absl::string_view kGptNeox[] = {"GPTNeoXForCausalLM", "gpt_neox"};

void SetNeox(bool parallel, ModelConfig& config) {
  config.norm = NormKind::kLayer;
  config.gated = false;
  config.activation = Activation::kGelu;
  config.block = parallel ? BlockShape::kParallelTwoNorms : BlockShape::kSequential;
}

absl::Status Read(const JsonObject& object, ModelConfig& config) {
  config.trained_tokens = 2048;  // transformers' defaults, here and below
  if (absl::Status read = ReadSizes(object, config); !read.ok()) return read;
  bool parallel = true;
  bool attention_bias = true;
  JsonFields fields(object);
  fields.Real("layer_norm_eps", config.norm_epsilon);
  fields.Bool("use_parallel_residual", parallel);
  fields.Bool("attention_bias", attention_bias);
  SetNeox(parallel, config);
  config.norm_bias = config.feed_forward_bias = true;
  config.qkv_bias = config.attention_out_bias = attention_bias;
  config.qkv_layout = QkvLayout::kGrouped;
  fields.Fail(ReadActivation(object, "hidden_act", config));
  fields.Fail(ReadRopes(object, {.theta = "rotary_emb_base", .rotary_part = "rotary_pct", .default_rotary_part = 0.25},
                        config));
  return fields.status();
}

// The converter has stacked queries, keys and values.
void ReadGguf(GgufFields& fields, const TensorTable&, ModelConfig& config) {
  bool parallel = true;
  fields.Bool("use_parallel_residual", parallel);
  SetNeox(parallel, config);
}

}  // namespace

const Family kGptNeoxFamily = {.name = "gpt_neox",
                               .hugging_face = kGptNeox,
                               .hugging_face_names = &kNames,
                               .read_hugging_face = Read,
                               .gguf = "gptneox",
                               .gguf_names = LlamaGgufNames,
                               .read_gguf = ReadGguf};

}  // namespace perennial
