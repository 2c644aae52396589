#include "model/torch/rope.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "model/check.h"

namespace perennial {
namespace {

constexpr double kTwoPi = 2.0 * std::numbers::pi;

// Llama 3: long wavelengths are slowed down by the factor, short ones are left alone, those between are blended.
double ScaleLlama3(double frequency, const RopeScaling& scaling) {
  const double wavelength = kTwoPi / frequency;
  const double original = static_cast<double>(scaling.original_length);
  if (wavelength > original / scaling.low_freq_factor) return frequency / scaling.factor;
  if (wavelength < original / scaling.high_freq_factor) return frequency;
  const double keep =
      (original / wavelength - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
  return (1.0 - keep) * frequency / scaling.factor + keep * frequency;
}

// YaRN: the pair index at which the angle makes `rotations` full turns within the original length.
double YarnPairOf(double rotations, const Rope& rope, int32_t rotary_size) {
  const double original = static_cast<double>(rope.scaling.original_length);
  return rotary_size * std::log(original / (rotations * kTwoPi)) / (2.0 * std::log(rope.theta));
}

void ScaleYarn(const Rope& rope, int32_t rotary_size, std::vector<double>& frequencies) {
  const RopeScaling& scaling = rope.scaling;
  double low = YarnPairOf(scaling.beta_fast, rope, rotary_size);
  double high = YarnPairOf(scaling.beta_slow, rope, rotary_size);
  if (scaling.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(rotary_size - 1));
  if (low == high) high += 0.001;  // as in the reference: no division by zero
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double slowed = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / scaling.factor * slowed + frequencies[i] * (1.0 - slowed);
  }
}

std::vector<double> Divided(std::vector<double> frequencies, absl::Span<const float> divisors) {
  PERENNIAL_CHECK(divisors.size() == frequencies.size());
  for (size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= divisors[i];
  return frequencies;
}

}  // namespace

RopeFrequencies ComputeRopeFrequencies(const Rope& rope, int32_t rotary_size) {
  const size_t pairs = static_cast<size_t>(rotary_size / 2);
  RopeFrequencies result;
  result.radians_per_token.resize(pairs);
  for (size_t i = 0; i < pairs; ++i) {
    result.radians_per_token[i] = std::pow(rope.theta, -2.0 * static_cast<double>(i) / rotary_size);
  }
  const RopeScaling& scaling = rope.scaling;
  switch (scaling.kind) {
    case RopeScalingKind::kNone:
      break;
    case RopeScalingKind::kLinear:
      for (double& frequency : result.radians_per_token) frequency /= scaling.factor;
      break;
    case RopeScalingKind::kLlama3:
      for (double& frequency : result.radians_per_token) frequency = ScaleLlama3(frequency, scaling);
      break;
    case RopeScalingKind::kLongRope:
      result.long_radians_per_token = Divided(result.radians_per_token, scaling.long_factors);
      result.radians_per_token = Divided(result.radians_per_token, scaling.short_factors);
      result.largest_short_cache = scaling.original_length;
      result.attention_factor = scaling.attention_factor.value_or(
          scaling.factor <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(scaling.factor) / std::log(scaling.original_length)));
      break;
    case RopeScalingKind::kYarn:
      ScaleYarn(rope, rotary_size, result.radians_per_token);
      result.attention_factor =
          scaling.attention_factor.value_or(scaling.factor <= 1.0 ? 1.0 : 0.1 * std::log(scaling.factor) + 1.0);
      break;
  }
  if (!rope.frequency_divisors.empty()) {
    result.radians_per_token = Divided(result.radians_per_token, rope.frequency_divisors);
  }
  return result;
}

void ComputeRopeAngles(const RopeFrequencies& frequencies, int64_t cache_slots, absl::Span<const int64_t> positions,
                       absl::Span<float> cosines, absl::Span<float> sines) {
  const std::vector<double>& radians_per_token = frequencies.For(cache_slots);
  const size_t pairs = radians_per_token.size();
  PERENNIAL_CHECK(cosines.size() == positions.size() * pairs && sines.size() == cosines.size());
  for (size_t row = 0; row < positions.size(); ++row) {
    const double position = static_cast<double>(positions[row]);
    for (size_t i = 0; i < pairs; ++i) {
      const double angle = position * radians_per_token[i];
      cosines[row * pairs + i] = static_cast<float>(std::cos(angle) * frequencies.attention_factor);
      sines[row * pairs + i] = static_cast<float>(std::sin(angle) * frequencies.attention_factor);
    }
  }
}

}  // namespace perennial
