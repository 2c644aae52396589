#include "model/model_config.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace perennial {
namespace {

// Far above every known model, far below what overflows: the largest product of two sizes is under 2^48.
constexpr int64_t kMaxVocabulary = 1 << 24;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxHidden = 1 << 18;
constexpr int64_t kMaxHeads = 4096;
constexpr int64_t kMaxHeadSize = 1024;
constexpr int64_t kMaxFeedForward = 1 << 20;
constexpr int64_t kMaxTrainedTokens = int64_t{1} << 40;
constexpr int64_t kMaxRopes = 16;
constexpr size_t kMaxEndTokens = 1024;

absl::Status OutOfRange(absl::string_view field, int64_t value, int64_t min, int64_t max) {
  return absl::InvalidArgumentError(
      absl::StrCat("model configuration: ", field, " is ", value, "; it must be from ", min, " to ", max));
}

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t min, int64_t max) {
  return value < min || value > max ? OutOfRange(field, value, min, max) : absl::OkStatus();
}

// Also refuses NaN, which compares false with everything.
absl::Status CheckReal(absl::string_view field, double value, double min, double max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("model configuration: ", field, " is ", value, "; it must be from ", min, " to ", max));
}

absl::Status CheckRopeScaling(const RopeScaling& scaling) {
  if (scaling.kind == RopeScalingKind::kNone) return absl::OkStatus();
  const double least_factor = scaling.kind == RopeScalingKind::kLongRope ? 1e-3 : 1.0;
  absl::Status status = CheckReal("rope_scaling.factor", scaling.factor, least_factor, 1e6);
  if (scaling.kind == RopeScalingKind::kLinear) return status;
  status.Update(CheckRange("rope_scaling.original_length", scaling.original_length,
                           scaling.kind == RopeScalingKind::kLongRope ? 2 : 1, kMaxTrainedTokens));
  if (scaling.kind == RopeScalingKind::kLlama3) {
    status.Update(CheckReal("rope_scaling.low_freq_factor", scaling.low_freq_factor, 1e-3, 1e6));
    status.Update(CheckReal("rope_scaling.high_freq_factor", scaling.high_freq_factor, 1e-3, 1e6));
    if (status.ok() && scaling.low_freq_factor >= scaling.high_freq_factor) {
      return absl::InvalidArgumentError(absl::StrCat("model configuration: rope_scaling.low_freq_factor ",
                                                     scaling.low_freq_factor, " must be less than high_freq_factor ",
                                                     scaling.high_freq_factor));
    }
    return status;
  }
  if (scaling.attention_factor.has_value()) {
    status.Update(CheckReal("rope_scaling.attention_factor", *scaling.attention_factor, 1e-3, 1e3));
  }
  if (scaling.kind == RopeScalingKind::kLongRope) return status;
  status.Update(CheckReal("rope_scaling.beta_fast", scaling.beta_fast, 1e-3, 1e6));
  status.Update(CheckReal("rope_scaling.beta_slow", scaling.beta_slow, 1e-3, 1e6));
  if (status.ok() && scaling.beta_slow >= scaling.beta_fast) {
    return absl::InvalidArgumentError(absl::StrCat("model configuration: rope_scaling.beta_slow ", scaling.beta_slow,
                                                   " must be less than beta_fast ", scaling.beta_fast));
  }
  return status;
}

absl::Status CheckSizes(const ModelConfig& config) {
  absl::Status status = CheckRange("vocab_size", config.vocab_size, 1, kMaxVocabulary);
  status.Update(CheckRange("num_layers", config.num_layers, 1, kMaxLayers));
  status.Update(CheckRange("hidden_size", config.hidden_size, 1, kMaxHidden));
  status.Update(CheckRange("num_heads", config.num_heads, 1, kMaxHeads));
  status.Update(CheckRange("num_kv_heads", config.num_kv_heads, 1, kMaxHeads));
  status.Update(CheckRange("head_size", config.head_size, 2, kMaxHeadSize));
  status.Update(CheckRange("feed_forward_size", config.feed_forward_size, 1, kMaxFeedForward));
  status.Update(CheckRange("trained_tokens", config.trained_tokens, 1, kMaxTrainedTokens));
  status.Update(CheckRange("rotary_size", config.rotary_size, 0, std::max(config.head_size, 0)));
  if (!status.ok()) return status;
  if (config.num_heads % config.num_kv_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat("model configuration: num_kv_heads ", config.num_kv_heads,
                                                   " does not divide num_heads ", config.num_heads));
  }
  if (config.rotary_size % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("model configuration: rotary_size is ", config.rotary_size, "; rotation needs an even number"));
  }
  return absl::OkStatus();
}

// Parts of the description that say nothing, or something else, together.
absl::Status CheckCombinations(const ModelConfig& config) {
  const auto wrong = [](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("model configuration: ", what));
  };
  if (config.norm_bias && config.norm != NormKind::kLayer) return wrong("norm_bias needs a norm of kind kLayer");
  if (config.fused_gate_up && !config.gated) return wrong("fused_gate_up needs a gated feed-forward");
  if (config.head_norms && config.rope_layout == RopeLayout::kInterleaved) {
    return wrong("head_norms need a rope_layout of kHalves");
  }
  return absl::OkStatus();
}

// Numbers that frequencies are divided by.
absl::Status CheckDivisors(absl::string_view field, absl::Span<const float> divisors, int32_t rotary_size) {
  if (divisors.size() != static_cast<size_t>(rotary_size / 2)) {
    return absl::InvalidArgumentError(absl::StrCat("model configuration: ", field, " has ", divisors.size(),
                                                   " elements; rotary_size ", rotary_size, " needs ", rotary_size / 2));
  }
  absl::Status status;
  for (const float divisor : divisors) status.Update(CheckReal(field, divisor, 1e-6, 1e12));
  return status;
}

absl::Status CheckRope(const Rope& rope, int32_t rotary_size) {
  absl::Status status = CheckReal("rope_theta", rope.theta, 1.0, 1e12);
  // It divides by the base's logarithm.
  if (rope.scaling.kind == RopeScalingKind::kYarn) status.Update(CheckReal("rope_theta", rope.theta, 1.001, 1e12));
  if (rope.scaling.kind == RopeScalingKind::kLongRope) {
    status.Update(CheckDivisors("rope_scaling.short_factor", rope.scaling.short_factors, rotary_size));
    status.Update(CheckDivisors("rope_scaling.long_factor", rope.scaling.long_factors, rotary_size));
  }
  if (!rope.frequency_divisors.empty()) {
    status.Update(CheckDivisors("rope_frequency_divisors", rope.frequency_divisors, rotary_size));
  }
  return status;
}

absl::Status CheckPositions(const ModelConfig& config) {
  const int64_t num_ropes = static_cast<int64_t>(config.ropes.size());
  absl::Status status = CheckRange("ropes", num_ropes, config.rotary_size > 0 ? 1 : 0, kMaxRopes);
  for (const Rope& rope : config.ropes) status.Update(CheckRope(rope, config.rotary_size));
  if (!config.layers.empty()) {
    status.Update(
        CheckRange("layers", static_cast<int64_t>(config.layers.size()), config.num_layers, config.num_layers));
  }
  for (const LayerView& layer : config.layers) {
    status.Update(CheckRange("layer_window_tokens", layer.window_tokens, 0, 1 << 30));
    status.Update(CheckRange("layer_rope", layer.rope, 0, std::max<int64_t>(num_ropes - 1, 0)));
  }
  if (!config.alibi_slopes.empty()) {
    status.Update(CheckRange("alibi_slopes", static_cast<int64_t>(config.alibi_slopes.size()), config.num_heads,
                             config.num_heads));
  }
  for (const float slope : config.alibi_slopes) status.Update(CheckReal("alibi_slopes", slope, 0.0, 1e6));
  return status;
}

absl::Status CheckNumbers(const ModelConfig& config) {
  absl::Status status = CheckReal("norm_epsilon", config.norm_epsilon, 0.0, 1.0);
  if (config.attention_scale.has_value()) {
    status.Update(CheckReal("attention_scale", *config.attention_scale, 1e-6, 1e6));
  }
  status.Update(CheckReal("embedding_scale", config.embedding_scale, 1e-6, 1e6));
  status.Update(CheckReal("qkv_clip", config.qkv_clip, 0.0, 1e9));
  status.Update(CheckReal("attention_softcap", config.attention_softcap, 0.0, 1e9));
  status.Update(CheckReal("output_softcap", config.output_softcap, 0.0, 1e9));
  return status;
}

absl::Status CheckTokens(const ModelConfig& config) {
  if (config.bos_token.has_value()) {
    absl::Status bos = CheckRange("bos_token", *config.bos_token, 0, config.vocab_size - 1);
    if (!bos.ok()) return bos;
  }
  if (config.end_tokens.empty() || config.end_tokens.size() > kMaxEndTokens) {
    return absl::InvalidArgumentError(absl::StrCat("model configuration: end_tokens has ", config.end_tokens.size(),
                                                   " elements; it must have from 1 to ", kMaxEndTokens));
  }
  if (config.sink_token.has_value()) {
    absl::Status sink = CheckRange("sink_token", *config.sink_token, 0, config.vocab_size - 1);
    if (!sink.ok()) return sink;
  }
  for (const TokenId token : config.end_tokens) {
    absl::Status end = CheckRange("end_tokens", token, 0, config.vocab_size - 1);
    if (!end.ok()) return end;
  }
  return absl::OkStatus();
}

}  // namespace

int32_t DefaultSinkTokens(const ModelConfig& config) { return config.sink_token.has_value() ? 1 : 4; }

absl::Status ValidateModelConfig(const ModelConfig& config) {
  absl::Status status;
  for (const Rope& rope : config.ropes) status.Update(CheckRopeScaling(rope.scaling));
  status.Update(CheckSizes(config));  // of which trained_tokens may come from a scaling
  if (!status.ok()) return status;
  status = CheckNumbers(config);
  status.Update(CheckPositions(config));
  status.Update(CheckCombinations(config));
  if (!status.ok()) return status;
  return CheckTokens(config);
}

}  // namespace perennial
