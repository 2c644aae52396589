#include "model/model_config.h"

#include <cmath>

#include "absl/strings/str_cat.h"

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
  absl::Status status = CheckReal("rope_scaling.factor", scaling.factor, 1.0, 1e6);
  if (scaling.kind == RopeScalingKind::kLinear) return status;
  status.Update(CheckRange("rope_scaling.original_length", scaling.original_length, 1, kMaxTrainedTokens));
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
  status.Update(CheckReal("rope_scaling.beta_fast", scaling.beta_fast, 1e-3, 1e6));
  status.Update(CheckReal("rope_scaling.beta_slow", scaling.beta_slow, 1e-3, 1e6));
  if (status.ok() && scaling.beta_slow >= scaling.beta_fast) {
    return absl::InvalidArgumentError(absl::StrCat("model configuration: rope_scaling.beta_slow ", scaling.beta_slow,
                                                   " must be less than beta_fast ", scaling.beta_fast));
  }
  if (scaling.attention_factor.has_value()) {
    status.Update(CheckReal("rope_scaling.attention_factor", *scaling.attention_factor, 1e-3, 1e3));
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
  status.Update(CheckRange("layer_window_tokens", config.layer_window_tokens, 0, 1 << 30));
  if (!status.ok()) return status;
  if (config.num_heads % config.num_kv_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat("model configuration: num_kv_heads ", config.num_kv_heads,
                                                   " does not divide num_heads ", config.num_heads));
  }
  if (config.head_size % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("model configuration: head_size is ", config.head_size, "; rotation needs an even number"));
  }
  return absl::OkStatus();
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
  for (const TokenId token : config.end_tokens) {
    absl::Status end = CheckRange("end_tokens", token, 0, config.vocab_size - 1);
    if (!end.ok()) return end;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateModelConfig(const ModelConfig& config) {
  absl::Status status = CheckSizes(config);
  status.Update(CheckReal("rms_norm_epsilon", config.rms_norm_epsilon, 0.0, 1.0));
  status.Update(CheckReal("rope_theta", config.rope_theta, 1.0, 1e12));
  if (!status.ok()) return status;
  status = CheckRopeScaling(config.rope_scaling);
  if (!status.ok()) return status;
  if (!config.rope_frequency_divisors.empty()) {
    if (config.rope_frequency_divisors.size() != static_cast<size_t>(config.head_size / 2)) {
      return absl::InvalidArgumentError(absl::StrCat("model configuration: rope_frequency_divisors has ",
                                                     config.rope_frequency_divisors.size(), " elements; head_size ",
                                                     config.head_size, " needs ", config.head_size / 2));
    }
    for (const float divisor : config.rope_frequency_divisors) {
      status.Update(CheckReal("rope_frequency_divisors", divisor, 1e-6, 1e12));
    }
    if (!status.ok()) return status;
  }
  return CheckTokens(config);
}

}  // namespace perennial
