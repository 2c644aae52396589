// Falcon. 7B: one key head for all query heads, attention and feed-forward side by side behind one norm. 40B and 180B
// ("new decoder architecture"): grouped key heads, a norm for each side. RW-1B and RW-7B: sequential blocks with ALiBi.
// Queries, keys and values are fused, grouped by key head; in GGUF the converter has stacked them.

#include <algorithm>
#include <cmath>

#include "model/checkpoint/family.h"
#include "model/checkpoint/gguf_words.h"
#include "model/checkpoint/hugging_face_fields.h"
#include "model/checkpoint/hugging_face_rope.h"

namespace perennial {
namespace {

constexpr TensorWord kWhole[] = {{"word_embeddings", "embed_tokens"}, {"ln_f", "norm"}};
constexpr TensorWord kPerLayer[] = {
    {"ln_attn", "input_layernorm"},
    {"ln_mlp", "post_attention_layernorm"},
    {"self_attention.query_key_value", "self_attn.qkv_proj"},
    {"self_attention.dense", "self_attn.o_proj"},
    {"mlp.dense_h_to_4h", "mlp.up_proj"},
    {"mlp.dense_4h_to_h", "mlp.down_proj"},
};
constexpr absl::string_view kUnused[] = {".rotary_emb.inv_freq", ".maybe_rotary.inv_freq"};
constexpr TensorNames kNames = {
    .prefix = "transformer.", .layer = "h.", .whole = kWhole, .per_layer = kPerLayer, .unused = kUnused};
constexpr absl::string_view kFalcon[] = {"FalconForCausalLM", "falcon"};

// With two norms, the file calls the attention's attn_norm_2 and the feed-forward's attn_norm.
constexpr TensorWord kTwoNormWords[] = {
    {"attn_norm_2", "input_layernorm"}, {"attn_norm", "post_attention_layernorm"},
    {"attn_qkv", "self_attn.qkv_proj"}, {"attn_output", "self_attn.o_proj"},
    {"ffn_up", "mlp.up_proj"},          {"ffn_down", "mlp.down_proj"},
};
const TensorNames* GgufNames(const GgufFile& file) {
  static const TensorNames two_norms = {
      .prefix = "", .layer = "blk.", .whole = kGgufWhole, .per_layer = kTwoNormWords, .unused = kGgufUnused};
  const bool has_two = std::any_of(file.tensors.begin(), file.tensors.end(),
                                   [](const TensorView& tensor) { return tensor.name == "blk.0.attn_norm_2.weight"; });
  return has_two ? &two_norms : LlamaGgufNames(file);
}

void SetFalcon(ModelConfig& config) {
  config.norm = NormKind::kLayer;
  config.gated = false;
  config.activation = Activation::kGelu;
}

// The published members of config.json that decide the shape.
struct Shape {
  bool new_architecture = false;
  bool multi_query = true;
  bool parallel = true;
  bool alibi = false;
  bool bias = false;
  int32_t parallel_norms = 2;
};

absl::Status ReadPlainSizes(JsonFields& fields, const Shape& shape, ModelConfig& config) {
  fields.Size("vocab_size", config.vocab_size);
  fields.Size(fields.object().Find("n_embed") != nullptr ? "n_embed" : "hidden_size", config.hidden_size);
  fields.Size("num_hidden_layers", config.num_layers);
  fields.Size("num_attention_heads", config.num_heads);
  config.trained_tokens = 2048;  // transformers' defaults, here and below
  fields.OptionalLength("max_position_embeddings", config.trained_tokens);
  fields.OptionalSize("num_kv_heads", 1, config.num_kv_heads);
  if (!fields.status().ok()) return fields.status();
  SetUnstatedHeads(config);
  if (!shape.new_architecture && shape.multi_query) config.num_kv_heads = 1;
  constexpr int32_t kMostHidden = 1 << 20;  // more is refused later
  config.feed_forward_size = 4 * std::min(config.hidden_size, kMostHidden);
  fields.OptionalSize("ffn_hidden_size", 1, config.feed_forward_size);
  config.tied_embeddings = true;
  fields.Bool("tie_word_embeddings", config.tied_embeddings);
  return fields.status();
}

absl::Status ReadShape(const JsonObject& object, Shape& shape) {
  JsonFields fields(object);
  fields.Bool("new_decoder_architecture", shape.new_architecture);
  fields.Bool("multi_query", shape.multi_query);
  fields.Bool("parallel_attn", shape.parallel);
  fields.Bool("alibi", shape.alibi);
  fields.Bool("bias", shape.bias);
  fields.OptionalSize("num_ln_in_parallel_attn", 1, shape.parallel_norms);
  if (!fields.status().ok()) return fields.status();
  if (object.IsNull("multi_query")) shape.multi_query = false;
  if (object.IsNull("parallel_attn")) shape.parallel = false;
  if (!shape.new_architecture) return absl::OkStatus();
  if (!shape.parallel) return object.Wrong("parallel_attn", "is not true, which new_decoder_architecture needs");
  if (shape.parallel_norms > 2) return object.Wrong("num_ln_in_parallel_attn", "is not 1 or 2");
  return absl::OkStatus();
}

absl::Status Read(const JsonObject& object, ModelConfig& config) {
  JsonFields fields(object);
  Shape shape;
  if (absl::Status read = ReadShape(object, shape); !read.ok()) return read;
  if (absl::Status read = ReadPlainSizes(fields, shape, config); !read.ok()) return read;
  SetFalcon(config);
  config.norm_bias = true;
  config.qkv_layout = QkvLayout::kGrouped;
  config.qkv_bias = config.attention_out_bias = config.feed_forward_bias = shape.bias;
  fields.Real("layer_norm_epsilon", config.norm_epsilon);
  fields.Fail(ReadActivation(object, "activation", config));
  const bool two_norms = shape.new_architecture && shape.parallel_norms == 2;
  config.block = two_norms        ? BlockShape::kParallelTwoNorms
                 : shape.parallel ? BlockShape::kParallelOneNorm
                                  : BlockShape::kSequential;
  if (shape.alibi) {
    config.ropes.clear();
    // The scores are scaled after the bias was added: so it is scaled too.
    config.alibi_slopes = AlibiSlopes(config.num_heads, 8.0);
    const float scale = 1.0f / std::sqrt(static_cast<float>(config.head_size));
    for (float& slope : config.alibi_slopes) slope *= scale;
    return fields.status();
  }
  fields.Fail(ReadRopes(object, RopeWords(), config));
  return fields.status();
}

// llama.cpp rotates in every Falcon, and has neither biases nor sequential blocks for it.
void ReadGguf(GgufFields& fields, const TensorTable& tensors, ModelConfig& config) {
  SetFalcon(config);
  const TensorView* const second_norm = tensors.Find("layers.0.post_attention_layernorm.weight");
  const bool is_sequential = second_norm != nullptr && second_norm->name == "blk.0.ffn_norm.weight";
  if (is_sequential || config.qkv_bias || config.attention_out_bias || config.feed_forward_bias) {
    fields.Fail(
        absl::UnimplementedError("a Falcon with biases or sequential blocks (Falcon-RW) is not supported in GGUF, "
                                 "which has no words for it; use its Hugging Face directory"));
  }
  config.block = second_norm != nullptr ? BlockShape::kParallelTwoNorms : BlockShape::kParallelOneNorm;
}

}  // namespace

const Family kFalconFamily = {.name = "falcon",
                              .hugging_face = kFalcon,
                              .hugging_face_names = &kNames,
                              .read_hugging_face = Read,
                              .gguf = "falcon",
                              .gguf_names = GgufNames,
                              .read_gguf = ReadGguf};

}  // namespace perennial
