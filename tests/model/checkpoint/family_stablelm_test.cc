#include <gtest/gtest.h>

#include "model/checkpoint/family.h"
#include "tests/model/checkpoint/golden_config.h"

namespace perennial {
namespace {

TEST(FamilyStableLmTest, ReadsBothForms) { ExpectPublishedFormReadsTheSame("stablelm"); }

TEST(FamilyStableLmTest, RotatesAQuarterAndHasLayerNorms) {
  const auto config = ReadGoldenConfig("stablelm", {{"rope_parameters", nullptr}});
  EXPECT_EQ(config->norm, NormKind::kLayer);
  EXPECT_TRUE(config->norm_bias);
  EXPECT_EQ(config->rotary_size, 4);
  EXPECT_TRUE(ReadGoldenConfig("stablelm_qkv_bias")->qkv_bias);
}

TEST(FamilyStableLmTest, TheLargeOneIsParallelWithNormsForEveryHead) {
  const auto config = ReadGoldenConfig("stablelm_parallel");
  EXPECT_EQ(config->block, BlockShape::kParallelOneNorm);
  EXPECT_TRUE(config->head_norms);
  EXPECT_TRUE(config->head_norms_differ);
}

TEST(FamilyStableLmTest, NamesARotaryPartThatIsNone) {
  const auto part = [](double value) {
    return ReadGoldenConfig("stablelm", {{"rope_parameters", nullptr}, {"partial_rotary_factor", value}}).status();
  };
  ExpectInvalid(part(0.0), "partial_rotary_factor is 0; it must be more than 0 and at most 1");
  ExpectInvalid(part(1.5), "partial_rotary_factor is 1.5");
}

}  // namespace
}  // namespace perennial
