#include "model/torch/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/model/torch/formula_checkpoint.h"

namespace perennial {
namespace {

ModelConfig ConfigWith(RopeScalingKind kind, double factor, int64_t original_length) {
  ModelConfig config = SmallConfig();
  config.rope_scaling.kind = kind;
  config.rope_scaling.factor = factor;
  config.rope_scaling.original_length = original_length;
  return config;
}

TEST(RopeTest, FrequenciesFallFromOneByPowersOfTheta) {
  const RopeFrequencies rope = ComputeRopeFrequencies(SmallConfig());
  ASSERT_EQ(rope.radians_per_token.size(), 8u);
  EXPECT_DOUBLE_EQ(rope.radians_per_token[0], 1.0);
  EXPECT_NEAR(rope.radians_per_token[2], 0.1, 1e-15);  // 10000^(-4/16)
  EXPECT_NEAR(rope.radians_per_token[4], 0.01, 1e-15);
  EXPECT_EQ(rope.attention_factor, 1.0);
}

TEST(RopeTest, LinearScalingSlowsEveryPair) {
  const RopeFrequencies rope = ComputeRopeFrequencies(ConfigWith(RopeScalingKind::kLinear, 4.0, 0));
  EXPECT_DOUBLE_EQ(rope.radians_per_token[0], 0.25);
  EXPECT_NEAR(rope.radians_per_token[4], 0.0025, 1e-15);
}

TEST(RopeTest, Llama3SlowsLongWavelengthsOnly) {
  const RopeFrequencies rope = ComputeRopeFrequencies(ConfigWith(RopeScalingKind::kLlama3, 8.0, 512));
  EXPECT_DOUBLE_EQ(rope.radians_per_token[0], 1.0);            // wavelength 6 < 512 / 4
  EXPECT_NEAR(rope.radians_per_token[4], 0.01 / 8, 1e-12);     // wavelength 628 > 512
  EXPECT_LT(rope.radians_per_token[3], std::pow(10.0, -1.5));  // 199 tokens: blended
  EXPECT_GT(rope.radians_per_token[3], std::pow(10.0, -1.5) / 8);
}

TEST(RopeTest, YarnMultipliesByItsAttentionFactor) {
  ModelConfig config = ConfigWith(RopeScalingKind::kYarn, 4.0, 64);
  EXPECT_NEAR(ComputeRopeFrequencies(config).attention_factor, 0.1 * std::log(4.0) + 1.0, 1e-12);
  config.rope_scaling.attention_factor = 0.5;
  const RopeFrequencies rope = ComputeRopeFrequencies(config);
  std::vector<float> cosines(8), sines(8);
  ComputeRopeAngles(rope, std::vector<int64_t>{0}, absl::MakeSpan(cosines), absl::MakeSpan(sines));
  for (const float cosine : cosines) EXPECT_EQ(cosine, 0.5f);
  for (const float sine : sines) EXPECT_EQ(sine, 0.0f);
}

TEST(RopeTest, DivisorsOfTheCheckpointApply) {
  ModelConfig config = SmallConfig();
  config.rope_frequency_divisors = {1, 1, 2, 2, 4, 4, 8, 8};
  const RopeFrequencies rope = ComputeRopeFrequencies(config);
  EXPECT_DOUBLE_EQ(rope.radians_per_token[0], 1.0);
  EXPECT_NEAR(rope.radians_per_token[4], 0.01 / 4, 1e-15);
}

// The difference of two rotations is what attention sees: it must be as good at 10^9 as at 0.
TEST(RopeTest, AnglesStayExactAtABillionTokens) {
  const RopeFrequencies rope = ComputeRopeFrequencies(SmallConfig());
  const int64_t far = 1'000'000'007;
  std::vector<float> cosines(16), sines(16);
  ComputeRopeAngles(rope, std::vector<int64_t>{far, far + 3}, absl::MakeSpan(cosines), absl::MakeSpan(sines));
  for (size_t i = 0; i < 8; ++i) {
    const double cosine_of_difference = double{cosines[i]} * cosines[8 + i] + double{sines[i]} * sines[8 + i];
    EXPECT_NEAR(cosine_of_difference, std::cos(3 * rope.radians_per_token[i]), 1e-6) << i;
  }
}

}  // namespace
}  // namespace perennial
