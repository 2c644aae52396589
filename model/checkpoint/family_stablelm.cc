// StableLM (3B, 2-1.6B, 2-12B): LayerNorm with bias, a quarter of each head rotates; 12B has parallel blocks and norms
// for every query and key head.

#include "model/checkpoint/family.h"
#include "model/checkpoint/gguf_words.h"
#include "model/checkpoint/hugging_face_fields.h"
#include "model/checkpoint/hugging_face_rope.h"

namespace perennial {
namespace {

constexpr absl::string_view kUnused[] = {".rotary_emb.inv_freq"};
constexpr TensorNames kNames = {.unused = kUnused};
constexpr absl::string_view kStableLm[] = {"StableLmForCausalLM", "stablelm"};

absl::Status Read(const JsonObject& object, ModelConfig& config) {
  config.num_kv_heads = 32;  // transformers' defaults, here and below
  config.trained_tokens = 4096;
  if (absl::Status read = ReadSizes(object, config); !read.ok()) return read;
  config.norm = NormKind::kLayer;
  config.norm_bias = true;
  bool parallel = false;
  JsonFields fields(object);
  fields.Real("layer_norm_eps", config.norm_epsilon);
  fields.Bool("use_qkv_bias", config.qkv_bias);
  fields.Bool("qk_layernorm", config.head_norms);
  fields.Bool("use_parallel_residual", parallel);
  config.head_norms_differ = config.head_norms;
  if (parallel) config.block = BlockShape::kParallelOneNorm;
  fields.Fail(ReadActivation(object, "hidden_act", config));
  fields.Fail(ReadRopes(object, {.rotary_part = "partial_rotary_factor", .default_rotary_part = 0.25}, config));
  return fields.status();
}

// The key use_parallel_residual is written as true for models that do not say it, and are not: a block is parallel if
// it has no second norm.
void ReadGguf(GgufFields&, const TensorTable& tensors, ModelConfig& config) {
  config.norm = NormKind::kLayer;
  if (tensors.Find("layers.0.post_attention_layernorm.weight") == nullptr) {
    config.block = BlockShape::kParallelOneNorm;
  }
  config.head_norms = tensors.Find("layers.0.self_attn.q_norm.weight") != nullptr;
  config.head_norms_differ = config.head_norms;
}

}  // namespace

const Family kStableLmFamily = {.name = "stablelm",
                                .hugging_face = kStableLm,
                                .hugging_face_names = &kNames,
                                .read_hugging_face = Read,
                                .gguf = "stablelm",
                                .gguf_names = LlamaGgufNames,
                                .read_gguf = ReadGguf};

}  // namespace perennial
