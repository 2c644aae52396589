#include <gtest/gtest.h>

#include "model/checkpoint/family.h"
#include "tests/model/checkpoint/golden_config.h"

namespace perennial {
namespace {

TEST(FamilyPhi3Test, ReadsBothForms) {
  for (const char* name : {"phi3", "phi3_partial_rotary"}) ExpectPublishedFormReadsTheSame(name);
}

TEST(FamilyPhi3Test, IsFusedAndMayRotateInPart) {
  const auto config = ReadGoldenConfig("phi3_partial_rotary");
  EXPECT_EQ(config->qkv_layout, QkvLayout::kStacked);
  EXPECT_TRUE(config->fused_gate_up);
  EXPECT_EQ(config->rotary_size, 12);
  EXPECT_EQ(ReadGoldenConfig("phi3_window")->layer(1).window_tokens, 12);
}

TEST(FamilyPhi3Test, ReadsLongRope) {
  const auto config = ReadGoldenConfig("phi3_longrope_long");
  ASSERT_TRUE(config.ok()) << config.status();
  const RopeScaling& scaling = config->ropes[0].scaling;
  EXPECT_EQ(scaling.kind, RopeScalingKind::kLongRope);
  EXPECT_EQ(scaling.original_length, 32);
  EXPECT_EQ(scaling.factor, 4096.0 / 32);
  EXPECT_EQ(scaling.short_factors.size(), 8u);
  EXPECT_EQ(scaling.long_factors.back(), 12.0f);
  const auto yarn = ReadGoldenConfig("phi3_longrope_long", {{"rope_parameters", {{"rope_type", "yarn"}}}});
  ASSERT_TRUE(yarn.ok()) << yarn.status();
  EXPECT_EQ(yarn->ropes, config->ropes) << "an early name of the same";
  const auto with = [](const nlohmann::json& rope) {
    return ReadGoldenConfig("phi3_longrope_long", {{"rope_parameters", rope}}).status();
  };
  ExpectInvalid(with({{"long_factor", nullptr}}), "long_factor is missing");
  ExpectInvalid(with({{"long_factor", {1, "two"}}}), "long_factor is not a list of numbers");
}

}  // namespace
}  // namespace perennial
