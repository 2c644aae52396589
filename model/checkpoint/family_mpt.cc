// MPT: nothing rotates (ALiBi), LayerNorm without bias and no other bias either, queries, keys and values stacked and,
// if clip_qkv says so, cut to a range.

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/error_text.h"
#include "model/checkpoint/family.h"
#include "model/checkpoint/gguf_words.h"
#include "model/checkpoint/hugging_face_fields.h"

namespace perennial {
namespace {

constexpr TensorWord kWhole[] = {{"wte", "embed_tokens"}, {"norm_f", "norm"}};
constexpr TensorWord kPerLayer[] = {
    {"norm_1", "input_layernorm"},         {"norm_2", "post_attention_layernorm"}, {"attn.Wqkv", "self_attn.qkv_proj"},
    {"attn.out_proj", "self_attn.o_proj"}, {"ffn.up_proj", "mlp.up_proj"},         {"ffn.down_proj", "mlp.down_proj"},
};
constexpr TensorNames kNames = {
    .prefix = "transformer.", .layer = "blocks.", .whole = kWhole, .per_layer = kPerLayer, .unused = {}};
constexpr absl::string_view kMpt[] = {"MptForCausalLM", "MPTForCausalLM", "mpt"};

void SetMpt(double max_bias, ModelConfig& config) {
  config.norm = NormKind::kLayer;
  config.gated = false;
  config.activation = Activation::kGelu;
  config.rotary_size = 0;
  config.ropes.clear();
  config.alibi_slopes = AlibiSlopes(config.num_heads, max_bias);
}

absl::Status ReadAttention(const JsonObject& attention, ModelConfig& config) {
  JsonFields fields(attention);
  bool alibi = true;
  bool rope = false;
  bool head_norms = false;
  double max_bias = 8.0;
  fields.Bool("alibi", alibi);
  fields.Bool("rope", rope);
  fields.Bool("qk_ln", head_norms);
  fields.Real("alibi_bias_max", max_bias);
  fields.Real("clip_qkv", config.qkv_clip);
  const absl::StatusOr<std::optional<double>> scale = attention.FindReal("softmax_scale");
  fields.Fail(scale.status());
  fields.OptionalSize("kv_n_heads", 1, config.num_kv_heads);
  if (!fields.status().ok()) return fields.status();
  if (!alibi) return absl::UnimplementedError("key attn_config.alibi is false: learned positions are not supported");
  if (rope) return absl::UnimplementedError("key attn_config.rope is true, which is not supported");
  if (head_norms) return absl::UnimplementedError("key attn_config.qk_ln is true, which is not supported");
  const absl::StatusOr<std::optional<int64_t>> window = attention.FindInteger("sliding_window_size", -1, 1 << 30);
  if (!window.ok()) return window.status();
  if (window->value_or(-1) > 0) {
    return absl::UnimplementedError("key attn_config.sliding_window_size is more than 0, which is not supported");
  }
  if (!(max_bias > 0 && max_bias < 1e4)) return attention.Wrong("alibi_bias_max", "is not more than 0 and below 10000");
  config.attention_scale = *scale;
  SetMpt(max_bias, config);
  return absl::OkStatus();
}

// Newer files say more of it than its width.
absl::Status CheckFeedForward(const JsonObject& object) {
  const absl::StatusOr<std::optional<JsonObject>> config = object.FindObject("ffn_config");
  if (!config.ok() || !config->has_value()) return config.status();
  const absl::StatusOr<std::optional<JsonObject>> activation = (*config)->FindObject("ffn_act_fn");
  if (!activation.ok() || !activation->has_value()) return activation.status();
  const absl::StatusOr<std::optional<std::string>> found = (*activation)->FindString("name");
  if (!found.ok()) return found.status();
  const std::string name = found->value_or("gelu");
  if (name == "gelu") return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat("key ffn_config.ffn_act_fn.name is ", Quoted(name), ", which is not supported"));
}

absl::Status Read(const JsonObject& object, ModelConfig& config) {
  JsonFields fields(object);
  fields.Size("vocab_size", config.vocab_size);
  fields.Size("d_model", config.hidden_size);
  fields.Size("n_layers", config.num_layers);
  fields.Size("n_heads", config.num_heads);
  config.trained_tokens = 2048;  // transformers' defaults, here and below
  fields.OptionalLength("max_seq_len", config.trained_tokens);
  if (!fields.status().ok()) return fields.status();
  SetUnstatedHeads(config);
  double expansion = 4;
  bool no_bias = true;
  fields.Real("expansion_ratio", expansion);
  fields.Real("layer_norm_epsilon", config.norm_epsilon);
  fields.Bool("no_bias", no_bias);
  config.tied_embeddings = true;
  fields.Bool("tie_word_embeddings", config.tied_embeddings);
  if (!fields.status().ok()) return fields.status();
  config.norm_bias = config.qkv_bias = config.attention_out_bias = config.feed_forward_bias = !no_bias;
  config.qkv_layout = QkvLayout::kStacked;
  const double feed_forward = expansion * config.hidden_size;
  constexpr double kMost = 1 << 30;
  if (!(feed_forward >= 1 && feed_forward < kMost)) return object.Wrong("expansion_ratio", "makes no sensible size");
  config.feed_forward_size = static_cast<int32_t>(feed_forward);
  std::string norm = "layernorm";
  fields.Text("norm_type", norm);
  if (!fields.status().ok()) return fields.status();
  if (norm != "layernorm" && norm != "low_precision_layernorm") {
    return absl::UnimplementedError(absl::StrCat("key norm_type is ", Quoted(norm), ", which is not supported"));
  }
  if (absl::Status status = CheckFeedForward(object); !status.ok()) return status;
  if (object.Find("logit_scale") != nullptr) {
    return absl::UnimplementedError("key logit_scale: scaled logits are not supported");
  }
  const absl::StatusOr<std::optional<JsonObject>> attention = object.FindObject("attn_config");
  if (!attention.ok()) return attention.status();
  if (attention->has_value()) return ReadAttention(**attention, config);
  SetMpt(8.0, config);
  return absl::OkStatus();
}

void ReadGguf(GgufFields& fields, const TensorTable&, ModelConfig& config) {
  double max_bias = 8.0;
  fields.Real("attention.clamp_kqv", config.qkv_clip);
  fields.Real("attention.max_alibi_bias", max_bias);
  if (!(max_bias > 0 && max_bias < 1e4)) {
    fields.Fail(
        absl::UnimplementedError("metadata key mpt.attention.max_alibi_bias is not more than 0: learned positions "
                                 "are not supported"));
    return;
  }
  SetMpt(max_bias, config);
}

}  // namespace

const Family kMptFamily = {.name = "mpt",
                           .hugging_face = kMpt,
                           .hugging_face_names = &kNames,
                           .read_hugging_face = Read,
                           .gguf = "mpt",
                           .gguf_names = LlamaGgufNames,
                           .read_gguf = ReadGguf};

}  // namespace perennial
