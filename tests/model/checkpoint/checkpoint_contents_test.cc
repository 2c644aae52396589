#include "model/checkpoint/checkpoint_contents.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/model/checkpoint/expect_error.h"

namespace perennial {
namespace {

RopeScaling Scaling(RopeScalingKind kind, double factor, int64_t original_length = 0) {
  RopeScaling scaling;
  scaling.kind = kind;
  scaling.factor = factor;
  scaling.original_length = original_length;
  return scaling;
}

TEST(CheckpointContentsTest, ComputesTheLengthAfterScaling) {
  EXPECT_EQ(TrainedTokens(4096, Scaling(RopeScalingKind::kNone, 4)), 4096);
  EXPECT_EQ(TrainedTokens(4096, Scaling(RopeScalingKind::kLinear, 4)), 16384);
  EXPECT_EQ(TrainedTokens(131072, Scaling(RopeScalingKind::kLlama3, 8, 8192)), 131072);
  EXPECT_EQ(TrainedTokens(4096, Scaling(RopeScalingKind::kYarn, 32, 4096)), 131072);
  EXPECT_EQ(TrainedTokens(131072, Scaling(RopeScalingKind::kYarn, 16, 4096)), 131072);
}

TEST(CheckpointContentsTest, GivesAbsurdScalingALengthThatIsRefused) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double factor : {kInfinity, -kInfinity, -1.0, 1e300, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_GT(TrainedTokens(4096, Scaling(RopeScalingKind::kLinear, factor)), int64_t{1} << 40) << factor;
  }
}

TEST(CheckpointContentsTest, ListsEachEndTokenOnce) {
  ModelConfig config;
  for (const TokenId token : {2, 7, 2}) AddEndToken(token, config);
  EXPECT_EQ(config.end_tokens, (std::vector<TokenId>{2, 7}));
}

TEST(CheckpointContentsTest, ChecksConfigurationBeforeTensors) {
  CheckpointContents contents;
  ExpectInvalid(CheckContents(contents), "vocab_size is 0");
}

}  // namespace
}  // namespace perennial
