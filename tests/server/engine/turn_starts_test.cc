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

TEST(TurnStartsTest, KnowsWhereToGoBackTo) {
  TurnStarts starts;
  EXPECT_EQ(starts.newest(), 0);
  EXPECT_EQ(starts.StartAfter(0), std::nullopt);
  starts.Add(2, 5);  // turn 1 was undone
  starts.Add(3, 10);
  starts.Add(6, 20);
  EXPECT_EQ(starts.newest(), 6);
  EXPECT_EQ(starts.num_turns(), 3);
  EXPECT_EQ(starts.StartAfter(0), 5);
  EXPECT_EQ(starts.StartAfter(1), 5);
  EXPECT_EQ(starts.StartAfter(2), 10);
  EXPECT_EQ(starts.StartAfter(3), 20);
  EXPECT_EQ(starts.StartAfter(5), 20);
  EXPECT_EQ(starts.StartAfter(6), std::nullopt);
  EXPECT_EQ(starts.OldestBefore(6), 2);
  EXPECT_EQ(starts.OldestBefore(11), 3);
  EXPECT_EQ(starts.OldestBefore(21), 6);
}

TEST(TurnStartsTest, RemembersTheEndOfTheOpeningForEver) {
  TurnStarts starts;
  for (int64_t turn = 1; turn <= 100; ++turn) {
    starts.Add(turn, 10 * turn);
    starts.ForgetBefore(10 * turn - 15);
  }
  EXPECT_LE(starts.size(), 3u);
  EXPECT_EQ(starts.num_turns(), 100);
  EXPECT_EQ(starts.StartAfter(0), 10);
  EXPECT_EQ(starts.StartAfter(50), std::nullopt) << "forgotten";
  EXPECT_EQ(starts.StartAfter(99), 1000);
  EXPECT_EQ(starts.OldestBefore(985), 98);
  starts.Rewind(1000);
  EXPECT_EQ(starts.num_turns(), 99);
  starts.Rewind(10);
  EXPECT_EQ(starts.num_turns(), 0);
  starts.Add(101, 10);
  EXPECT_EQ(starts.StartAfter(100), 10);
  EXPECT_EQ(starts.num_turns(), 1);
}

// Found by the chaos simulation (seed 1029): a rewind to a turn further back seemed to succeed, and did nothing.
TEST(TurnStartsTest, ATurnWhoseStartIsForgottenIsStillTheNewest) {
  TurnStarts starts;
  starts.Add(/*turn=*/1, /*token=*/4);
  starts.Add(2, 10);
  starts.Add(3, 20);
  starts.ForgetBefore(20);
  starts.Rewind(/*num_tokens=*/20);
  EXPECT_EQ(starts.newest(), 2);
  EXPECT_EQ(starts.num_turns(), 2);
  EXPECT_EQ(starts.TurnOf(20), 2);
  EXPECT_EQ(starts.StartAfter(1), std::nullopt);
}

}  // namespace
}  // namespace perennial
