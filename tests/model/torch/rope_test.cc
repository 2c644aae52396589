#include "model/torch/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace perennial {
namespace {

constexpr int32_t kSize = 16;

Rope Scaled(RopeScalingKind kind, double factor, int64_t original_length) {
  Rope rope;
  rope.scaling.kind = kind;
  rope.scaling.factor = factor;
  rope.scaling.original_length = original_length;
  return rope;
}

TEST(RopeTest, FrequenciesFallFromOneByPowersOfTheta) {
  const RopeFrequencies rope = ComputeRopeFrequencies(Rope(), kSize);
  ASSERT_EQ(rope.radians_per_token.size(), 8u);
  EXPECT_DOUBLE_EQ(rope.radians_per_token[0], 1.0);
  EXPECT_NEAR(rope.radians_per_token[2], 0.1, 1e-15);  // 10000^(-4/16)
  EXPECT_NEAR(rope.radians_per_token[4], 0.01, 1e-15);
  EXPECT_EQ(rope.attention_factor, 1.0);
}

TEST(RopeTest, LinearScalingSlowsEveryPair) {
  const RopeFrequencies rope = ComputeRopeFrequencies(Scaled(RopeScalingKind::kLinear, 4.0, 0), kSize);
  EXPECT_DOUBLE_EQ(rope.radians_per_token[0], 0.25);
  EXPECT_NEAR(rope.radians_per_token[4], 0.0025, 1e-15);
}

TEST(RopeTest, Llama3SlowsLongWavelengthsOnly) {
  const RopeFrequencies rope = ComputeRopeFrequencies(Scaled(RopeScalingKind::kLlama3, 8.0, 512), kSize);
  EXPECT_DOUBLE_EQ(rope.radians_per_token[0], 1.0);            // wavelength 6 < 512 / 4
  EXPECT_NEAR(rope.radians_per_token[4], 0.01 / 8, 1e-12);     // wavelength 628 > 512
  EXPECT_LT(rope.radians_per_token[3], std::pow(10.0, -1.5));  // 199 tokens: blended
  EXPECT_GT(rope.radians_per_token[3], std::pow(10.0, -1.5) / 8);
}

TEST(RopeTest, YarnMultipliesByItsAttentionFactor) {
  Rope yarn = Scaled(RopeScalingKind::kYarn, 4.0, 64);
  EXPECT_NEAR(ComputeRopeFrequencies(yarn, kSize).attention_factor, 0.1 * std::log(4.0) + 1.0, 1e-12);
  yarn.scaling.attention_factor = 0.5;
  const RopeFrequencies rope = ComputeRopeFrequencies(yarn, kSize);
  std::vector<float> cosines(8), sines(8);
  ComputeRopeAngles(rope, 64, std::vector<int64_t>{0}, absl::MakeSpan(cosines), absl::MakeSpan(sines));
  for (const float cosine : cosines) EXPECT_EQ(cosine, 0.5f);
  for (const float sine : sines) EXPECT_EQ(sine, 0.0f);
}

TEST(RopeTest, DivisorsOfTheCheckpointApply) {
  Rope divided;
  divided.frequency_divisors = {1, 1, 2, 2, 4, 4, 8, 8};
  const RopeFrequencies rope = ComputeRopeFrequencies(divided, kSize);
  EXPECT_DOUBLE_EQ(rope.radians_per_token[0], 1.0);
  EXPECT_NEAR(rope.radians_per_token[4], 0.01 / 4, 1e-15);
}

TEST(RopeTest, LongRopeIsChosenByTheCachesSize) {
  Rope rope = Scaled(RopeScalingKind::kLongRope, 4.0, 64);
  rope.scaling.short_factors = {1, 1, 1, 1, 1, 1, 1, 2};
  rope.scaling.long_factors = {1, 1, 1, 1, 1, 1, 1, 8};
  const RopeFrequencies frequencies = ComputeRopeFrequencies(rope, kSize);
  const double last = std::pow(10000.0, -14.0 / 16);
  EXPECT_NEAR(frequencies.For(64)[7], last / 2, 1e-15);
  EXPECT_NEAR(frequencies.For(65)[7], last / 8, 1e-15);
  EXPECT_NEAR(frequencies.attention_factor, std::sqrt(1 + std::log(4.0) / std::log(64.0)), 1e-12);
}

TEST(RopeTest, FewerDimensionsTurnFasterTogether) {
  const RopeFrequencies rope = ComputeRopeFrequencies(Rope(), 4);
  ASSERT_EQ(rope.radians_per_token.size(), 2u);
  EXPECT_NEAR(rope.radians_per_token[1], 0.01, 1e-15);  // 10000^(-2/4)
}

// The difference of two rotations is what attention sees: it must be as good at 10^9 as at 0.
TEST(RopeTest, AnglesStayExactAtABillionTokens) {
  const RopeFrequencies rope = ComputeRopeFrequencies(Rope(), kSize);
  const int64_t far = 1'000'000'007;
  std::vector<float> cosines(16), sines(16);
  ComputeRopeAngles(rope, 64, std::vector<int64_t>{far, far + 3}, absl::MakeSpan(cosines), absl::MakeSpan(sines));
  for (size_t i = 0; i < 8; ++i) {
    const double cosine_of_difference = double{cosines[i]} * cosines[8 + i] + double{sines[i]} * sines[8 + i];
    EXPECT_NEAR(cosine_of_difference, std::cos(3 * rope.radians_per_token[i]), 1e-6) << i;
  }
}

}  // namespace
}  // namespace perennial
