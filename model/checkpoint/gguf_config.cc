#include "model/checkpoint/gguf_config.h"

#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/checkpoint_contents.h"
#include "model/checkpoint/config_fields.h"
#include "model/checkpoint/error_text.h"

namespace perennial {
namespace {

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();

// Key heads and the size of heads, where stated, and how much of a head rotates.
void ReadHeads(GgufFields& fields, ModelConfig& config) {
  fields.OptionalSize("attention.head_count_kv", 1, config.num_kv_heads);
  fields.OptionalSize("attention.key_length", 1, config.head_size);
  SetUnstatedHeads(config);
  int32_t value_size = config.head_size;
  fields.OptionalSize("attention.value_length", 1, value_size);
  config.rotary_size = config.head_size;
  fields.OptionalSize("rope.dimension_count", 1, config.rotary_size);
  if (value_size != config.head_size) {
    fields.Fail(absl::UnimplementedError(absl::StrCat("metadata key ", fields.Key("attention.value_length"), " is ",
                                                      value_size, " but the head size is ", config.head_size,
                                                      "; only equal sizes are supported")));
  }
}

int64_t ReadOriginalLength(GgufFields& fields, int64_t trained_tokens) {
  const absl::StatusOr<std::optional<int64_t>> original =
      fields.metadata().FindInteger(fields.Key("rope.scaling.original_context_length"), 0, kMaxConfigTokens);
  fields.Fail(original.status());
  const int64_t length = original.ok() ? original->value_or(0) : 0;
  return length == 0 ? trained_tokens : length;
}

void ReadRope(GgufFields& fields, int64_t trained_tokens, Rope& rope) {
  RopeScaling& scaling = rope.scaling;
  fields.Real("rope.freq_base", rope.theta);
  // Before `scaling.type` there was one key, always linear.
  double old_factor = 1.0;
  fields.Real("rope.scale_linear", old_factor);
  std::string kind = old_factor != 1.0 && old_factor != 0.0 ? "linear" : "none";
  fields.Text("rope.scaling.type", kind);
  scaling.original_length = ReadOriginalLength(fields, trained_tokens);
  double attention_factor = 1.0;
  fields.Real("rope.scaling.attn_factor", attention_factor);
  if (kind == "none" || kind == "longrope") {  // LongRoPE is known by its tensors, whatever is said here
    if (attention_factor != 1.0) scaling.attention_factor = attention_factor;
    return;
  }
  if (kind != "linear" && kind != "yarn") {
    fields.Fail(
        absl::UnimplementedError(absl::StrCat("RoPE scaling type ", Quoted(kind), " (", fields.Key("rope.scaling.type"),
                                              ") is not supported; supported are none, linear, yarn and longrope")));
    return;
  }
  scaling.factor = old_factor;
  fields.Real("rope.scaling.factor", scaling.factor);
  if (scaling.factor == 0.0) scaling.factor = 1.0;  // written for "not set"
  if (kind == "linear") {
    scaling.kind = RopeScalingKind::kLinear;
    if (attention_factor != 1.0) {
      fields.Fail(absl::UnimplementedError(
          absl::StrCat(fields.Key("rope.scaling.attn_factor"), " is supported with yarn scaling only")));
    }
    return;
  }
  scaling.kind = RopeScalingKind::kYarn;
  fields.Real("rope.scaling.yarn_beta_fast", scaling.beta_fast);
  fields.Real("rope.scaling.yarn_beta_slow", scaling.beta_slow);
  // GGUF's factor comes on top of YaRN's own.
  if (attention_factor != 1.0) scaling.attention_factor = attention_factor * (1.0 + 0.1 * std::log(scaling.factor));
}

// `part`.bias for all of the parts, or for none.
absl::StatusOr<bool> HasBiases(const TensorTable& tensors, absl::Span<const absl::string_view> parts) {
  size_t found = 0;
  absl::string_view missing;
  for (const absl::string_view part : parts) {
    if (tensors.Find(absl::StrCat("layers.0.", part, ".bias")) != nullptr) {
      ++found;
    } else {
      missing = part;
    }
  }
  if (found != 0 && found != parts.size()) {
    return absl::UnimplementedError(absl::StrCat("layer 0 has a bias for some projections but not for ", missing,
                                                 "; supported are biases for all or for none"));
  }
  return found != 0;
}

// The keys that all architectures have.
absl::Status ReadNetworkSizes(GgufFields& fields, ModelConfig& config) {
  fields.Size("block_count", config.num_layers);
  fields.Size("embedding_length", config.hidden_size);
  fields.Size("attention.head_count", config.num_heads);
  fields.Size("feed_forward_length", config.feed_forward_size);
  fields.Length("context_length", config.trained_tokens);
  if (!fields.status().ok()) return fields.status();
  ReadHeads(fields, config);
  fields.Real("attention.layer_norm_epsilon", config.norm_epsilon);
  fields.Real("attention.layer_norm_rms_epsilon", config.norm_epsilon);
  ReadRope(fields, config.trained_tokens, config.ropes.front());
  int32_t experts = 0;
  fields.OptionalSize("expert_count", 0, experts);
  if (experts != 0) {
    fields.Fail(absl::UnimplementedError(
        absl::StrCat(fields.Key("expert_count"), " is not 0: mixtures of experts are not supported")));
  }
  return fields.status();
}

// What the metadata leaves open, and the tensors tell.
absl::Status ReadFromTensors(const TensorTable& tensors, ModelConfig& config) {
  const TensorView* const embedding = tensors.Find("embed_tokens.weight");
  if (embedding == nullptr) return absl::NotFoundError("tensor \"token_embd.weight\" is missing");
  if (embedding->shape.size() != 2 || embedding->shape[0] > kMaxInt32) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", Quoted(embedding->name), " has shape ",
                                                   ShapeText(embedding->shape), "; needed are [vocabulary, width]"));
  }
  config.vocab_size = static_cast<int32_t>(embedding->shape[0]);
  config.tied_embeddings = tensors.Find("lm_head.weight") == nullptr;
  config.norm_bias = tensors.Find("layers.0.input_layernorm.bias") != nullptr;
  config.attention_out_bias = tensors.Find("layers.0.self_attn.o_proj.bias") != nullptr;
  const bool fused = tensors.Find("layers.0.self_attn.qkv_proj.weight") != nullptr;
  if (fused) config.qkv_layout = QkvLayout::kStacked;
  const absl::StatusOr<bool> attention =
      fused ? HasBiases(tensors, {"self_attn.qkv_proj"})
            : HasBiases(tensors, {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"});
  if (!attention.ok()) return attention.status();
  config.qkv_bias = *attention;
  const bool gated = tensors.Find("layers.0.mlp.gate_proj.weight") != nullptr;
  const absl::StatusOr<bool> feed_forward = gated
                                                ? HasBiases(tensors, {"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"})
                                                : HasBiases(tensors, {"mlp.up_proj", "mlp.down_proj"});
  if (!feed_forward.ok()) return feed_forward.status();
  config.feed_forward_bias = *feed_forward;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<const Family*> GgufFamily(const GgufMetadata& metadata) {
  const absl::StatusOr<absl::string_view> architecture = metadata.GetString("general.architecture");
  if (!architecture.ok()) return architecture.status();
  return FindGgufFamily(*architecture);
}

absl::StatusOr<ModelConfig> ReadGgufConfig(const GgufMetadata& metadata, const TensorTable& tensors) {
  const absl::StatusOr<const Family*> family = GgufFamily(metadata);
  if (!family.ok()) return family.status();
  ModelConfig config;
  config.architecture = std::string((*family)->name);
  const absl::StatusOr<std::optional<absl::string_view>> name = metadata.FindString("general.name");
  if (!name.ok()) return name.status();
  config.name = std::string(name->value_or(""));

  GgufFields fields(metadata, (*family)->gguf);
  if (absl::Status read = ReadNetworkSizes(fields, config); !read.ok()) return read;
  if (absl::Status read = ReadFromTensors(tensors, config); !read.ok()) return read;
  config.trained_tokens = TrainedTokens(config.trained_tokens, config.ropes.front().scaling);
  (*family)->read_gguf(fields, tensors, config);
  if (!fields.status().ok()) return fields.status();
  return config;
}

}  // namespace perennial
