#include "model/checkpoint/gguf_config.h"

#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/checkpoint_contents.h"
#include "model/checkpoint/error_text.h"

namespace perennial {
namespace {

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxTokens = int64_t{1} << 40;

// Reads `key` into a 32-bit size.
absl::Status ReadSize(const GgufMetadata& metadata, absl::string_view key, int32_t& size) {
  const absl::StatusOr<int64_t> number = metadata.GetInteger(key, 1, kMaxInt32);
  if (!number.ok()) return number.status();
  size = static_cast<int32_t>(*number);
  return absl::OkStatus();
}

// Reads an optional number over `value`, which keeps its default if the key is absent.
absl::Status ReadReal(const GgufMetadata& metadata, absl::string_view key, double& value) {
  const absl::StatusOr<std::optional<double>> number = metadata.FindReal(key);
  if (!number.ok()) return number.status();
  if (number->has_value()) value = **number;
  return absl::OkStatus();
}

// Head size from key_length and value_length, or hidden size / heads; all of it must rotate.
absl::Status ReadHeadSize(const GgufMetadata& metadata, ModelConfig& config) {
  config.head_size = config.hidden_size / config.num_heads;
  const absl::StatusOr<std::optional<int64_t>> key_length =
      metadata.FindInteger("llama.attention.key_length", 1, kMaxInt32);
  if (!key_length.ok()) return key_length.status();
  if (key_length->has_value()) config.head_size = static_cast<int32_t>(**key_length);
  for (const absl::string_view key : {"llama.attention.value_length", "llama.rope.dimension_count"}) {
    const absl::StatusOr<std::optional<int64_t>> length = metadata.FindInteger(key, 1, kMaxInt32);
    if (!length.ok()) return length.status();
    if (length->value_or(config.head_size) != config.head_size) {
      return absl::UnimplementedError(absl::StrCat("metadata key ", key, " is ", **length, " but the head size is ",
                                                   config.head_size, "; only equal sizes are supported"));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadRopeScaling(const GgufMetadata& metadata, ModelConfig& config) {
  RopeScaling& scaling = config.rope_scaling;
  const absl::StatusOr<std::optional<absl::string_view>> type = metadata.FindString("llama.rope.scaling.type");
  if (!type.ok()) return type.status();
  // Before `scaling.type` there was one key, always linear.
  double old_factor = 1.0;
  if (absl::Status read = ReadReal(metadata, "llama.rope.scale_linear", old_factor); !read.ok()) return read;
  const absl::string_view kind = type->value_or(old_factor != 1.0 && old_factor != 0.0 ? "linear" : "none");
  if (kind == "none") return absl::OkStatus();
  if (kind != "linear" && kind != "yarn") {
    return absl::UnimplementedError(absl::StrCat("RoPE scaling type ", Quoted(kind), " (llama.rope.scaling.type) is ",
                                                 "not supported; supported are none, linear and yarn"));
  }
  scaling.factor = old_factor;
  if (absl::Status read = ReadReal(metadata, "llama.rope.scaling.factor", scaling.factor); !read.ok()) return read;
  if (scaling.factor == 0.0) scaling.factor = 1.0;  // written for "not set"

  double attention_factor = 1.0;
  absl::Status read = ReadReal(metadata, "llama.rope.scaling.attn_factor", attention_factor);
  if (!read.ok()) return read;
  if (kind == "linear") {
    if (attention_factor != 1.0) {
      return absl::UnimplementedError("llama.rope.scaling.attn_factor is supported with yarn scaling only");
    }
    scaling.kind = RopeScalingKind::kLinear;
    return absl::OkStatus();
  }
  scaling.kind = RopeScalingKind::kYarn;
  const absl::StatusOr<std::optional<int64_t>> original =
      metadata.FindInteger("llama.rope.scaling.original_context_length", 0, kMaxTokens);
  if (!original.ok()) return original.status();
  scaling.original_length = original->value_or(0);
  if (scaling.original_length == 0) scaling.original_length = config.trained_tokens;
  for (const auto& [key, value] : {std::pair("llama.rope.scaling.yarn_beta_fast", &scaling.beta_fast),
                                   std::pair("llama.rope.scaling.yarn_beta_slow", &scaling.beta_slow)}) {
    if (read = ReadReal(metadata, key, *value); !read.ok()) return read;
  }
  // GGUF's factor comes on top of YaRN's own.
  if (attention_factor != 1.0) scaling.attention_factor = attention_factor * (1.0 + 0.1 * std::log(scaling.factor));
  return absl::OkStatus();
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

absl::Status ReadNetworkSizes(const GgufMetadata& metadata, ModelConfig& config) {
  for (const auto& [key, size] :
       {std::pair("llama.block_count", &config.num_layers), std::pair("llama.embedding_length", &config.hidden_size),
        std::pair("llama.attention.head_count", &config.num_heads),
        std::pair("llama.feed_forward_length", &config.feed_forward_size)}) {
    if (absl::Status read = ReadSize(metadata, key, *size); !read.ok()) return read;
  }
  const absl::StatusOr<std::optional<int64_t>> kv_heads =
      metadata.FindInteger("llama.attention.head_count_kv", 1, kMaxInt32);
  if (!kv_heads.ok()) return kv_heads.status();
  config.num_kv_heads = static_cast<int32_t>(kv_heads->value_or(config.num_heads));

  const absl::StatusOr<int64_t> trained = metadata.GetInteger("llama.context_length", 1, kMaxTokens);
  if (!trained.ok()) return trained.status();
  config.trained_tokens = *trained;

  const absl::StatusOr<std::optional<int64_t>> window =
      metadata.FindInteger("llama.attention.sliding_window", 0, kMaxInt32);
  if (!window.ok()) return window.status();
  config.layer_window_tokens = static_cast<int32_t>(window->value_or(0));

  double epsilon = 1e-5;
  absl::Status read = ReadReal(metadata, "llama.attention.layer_norm_rms_epsilon", epsilon);
  if (!read.ok()) return read;
  config.rms_norm_epsilon = static_cast<float>(epsilon);
  return ReadReal(metadata, "llama.rope.freq_base", config.rope_theta);
}

}  // namespace

absl::StatusOr<ModelConfig> ReadGgufConfig(const GgufMetadata& metadata, const TensorTable& tensors) {
  const absl::StatusOr<absl::string_view> architecture = metadata.GetString("general.architecture");
  if (!architecture.ok()) return architecture.status();
  if (*architecture != "llama") {
    return absl::UnimplementedError(absl::StrCat("architecture ", Quoted(*architecture),
                                                 " is not supported; supported ",
                                                 "in GGUF is \"llama\" (Llama 2 and 3, Mistral, SmolLM2, TinyLlama)"));
  }
  const absl::StatusOr<std::optional<int64_t>> experts = metadata.FindInteger("llama.expert_count", 0, kMaxInt32);
  if (!experts.ok()) return experts.status();
  if (experts->value_or(0) != 0) {
    return absl::UnimplementedError("llama.expert_count is not 0: mixtures of experts are not supported");
  }

  ModelConfig config;
  config.architecture = std::string(*architecture);
  config.rope_layout = RopeLayout::kInterleaved;
  const absl::StatusOr<std::optional<absl::string_view>> name = metadata.FindString("general.name");
  if (!name.ok()) return name.status();
  config.name = std::string(name->value_or(""));

  if (absl::Status read = ReadNetworkSizes(metadata, config); !read.ok()) return read;
  if (absl::Status read = ReadHeadSize(metadata, config); !read.ok()) return read;
  if (absl::Status read = ReadRopeScaling(metadata, config); !read.ok()) return read;
  config.trained_tokens = TrainedTokens(config.trained_tokens, config.rope_scaling);

  const TensorView* const embedding = tensors.Find("embed_tokens.weight");
  if (embedding == nullptr) return absl::NotFoundError("tensor \"token_embd.weight\" is missing");
  if (embedding->shape.size() != 2 || embedding->shape[0] > kMaxInt32) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", Quoted(embedding->name), " has shape ",
                                                   ShapeText(embedding->shape), "; needed are [vocabulary, width]"));
  }
  config.vocab_size = static_cast<int32_t>(embedding->shape[0]);
  config.tied_embeddings = tensors.Find("lm_head.weight") == nullptr;
  const absl::StatusOr<bool> attention =
      HasBiases(tensors, {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"});
  if (!attention.ok()) return attention.status();
  config.attention_bias = *attention;
  const absl::StatusOr<bool> feed_forward = HasBiases(tensors, {"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"});
  if (!feed_forward.ok()) return feed_forward.status();
  config.feed_forward_bias = *feed_forward;
  return config;
}

}  // namespace perennial
