#include "server/engine/turn_starts.h"

#include "gtest/gtest.h"

namespace perennial {
namespace {

TurnStarts ThreeTurns() {
  TurnStarts starts;
  starts.Add(1, 5);
  starts.Add(2, 10);
  starts.Add(3, 11);
  return starts;
}

TEST(TurnStartsTest, KnowsWhoseATokenIs) {
  const TurnStarts starts = ThreeTurns();
  EXPECT_EQ(starts.TurnOf(0), 0);  // the opening
  EXPECT_EQ(starts.TurnOf(4), 0);
  EXPECT_EQ(starts.TurnOf(5), 1);
  EXPECT_EQ(starts.TurnOf(9), 1);
  EXPECT_EQ(starts.TurnOf(10), 2);
  EXPECT_EQ(starts.TurnOf(11), 3);
  EXPECT_EQ(starts.TurnOf(1'000'000'000'000), 3);
}

TEST(TurnStartsTest, KnowsWhereTheNextTurnBegins) {
  const TurnStarts starts = ThreeTurns();
  EXPECT_EQ(starts.StartFrom(0), 5);
  EXPECT_EQ(starts.StartFrom(5), 5);
  EXPECT_EQ(starts.StartFrom(6), 10);
  EXPECT_EQ(starts.StartFrom(11), 11);
  EXPECT_EQ(starts.StartFrom(12), std::nullopt);
  EXPECT_EQ(TurnStarts().StartFrom(0), std::nullopt);
}

TEST(TurnStartsTest, ForgetsWhatNobodyWillAskFor) {
  for (int64_t token = 0; token <= 13; ++token) {
    TurnStarts starts = ThreeTurns();
    starts.ForgetBefore(token);
    for (int64_t asked = token; asked <= 13; ++asked) EXPECT_EQ(starts.TurnOf(asked), ThreeTurns().TurnOf(asked));
    EXPECT_EQ(starts.size(), token < 10 ? 3u : token < 11 ? 2u : 1u);
  }
}

TEST(TurnStartsTest, ForgetsTurnsThatWereUndone) {
  TurnStarts starts = ThreeTurns();
  starts.Rewind(11);
  EXPECT_EQ(starts.TurnOf(11), 2);
  starts.Add(3, 12);
  EXPECT_EQ(starts.TurnOf(12), 3);
  starts.Rewind(0);
  EXPECT_EQ(starts.size(), 0u);
}

}  // namespace
}  // namespace perennial
