#include "client/turn_progress.h"

#include "gtest/gtest.h"

namespace perennial {
namespace {

v1::TurnEvent Delta(int64_t first, int64_t last) {
  v1::TurnEvent event;
  event.set_first_sequence(first);
  event.set_sequence(last);
  event.mutable_delta()->set_text("x");
  return event;
}

TEST(TurnProgressTest, ShowsEveryEventOnce) {
  TurnProgress progress;
  EXPECT_FALSE(progress.any_read());
  EXPECT_EQ(progress.Take(Delta(1, 1)), EventFate::kShow);
  EXPECT_EQ(progress.Take(Delta(2, 2)), EventFate::kShow);
  EXPECT_EQ(progress.Take(Delta(1, 1)), EventFate::kSkip);
  EXPECT_EQ(progress.Take(Delta(2, 2)), EventFate::kSkip);
  EXPECT_EQ(progress.Take(Delta(3, 3)), EventFate::kShow);
  EXPECT_EQ(progress.next_sequence(), 4);
  EXPECT_TRUE(progress.any_read());
}

TEST(TurnProgressTest, AMergedDeltaCountsAsAllThatItStandsFor) {
  TurnProgress progress;
  EXPECT_EQ(progress.Take(Delta(1, 4)), EventFate::kShow);
  EXPECT_EQ(progress.next_sequence(), 5);
  EXPECT_EQ(progress.Take(Delta(2, 4)), EventFate::kSkip);
  EXPECT_EQ(progress.Take(Delta(5, 9)), EventFate::kShow);
}

TEST(TurnProgressTest, GapsAndOverlapsAreAskedForAgain) {
  TurnProgress progress;
  EXPECT_EQ(progress.Take(Delta(1, 3)), EventFate::kShow);
  EXPECT_EQ(progress.Take(Delta(5, 5)), EventFate::kAskAgain);
  EXPECT_EQ(progress.Take(Delta(3, 4)), EventFate::kAskAgain) << "half of its text was shown";
  EXPECT_EQ(progress.next_sequence(), 4);
  EXPECT_EQ(progress.Take(Delta(4, 5)), EventFate::kShow);
}

TEST(TurnProgressTest, BeginsWhereAsked) {
  TurnProgress later(7);
  EXPECT_EQ(later.next_sequence(), 7);
  EXPECT_EQ(later.Take(Delta(1, 6)), EventFate::kSkip);
  EXPECT_EQ(later.Take(Delta(7, 7)), EventFate::kShow);

  TurnProgress oldest(1, /*from_oldest=*/true);
  EXPECT_EQ(oldest.Take(Delta(40, 42)), EventFate::kShow);
  EXPECT_EQ(oldest.Take(Delta(44, 44)), EventFate::kAskAgain) << "only the first may come from anywhere";
}

TEST(TurnProgressTest, StateAndHeartbeatsRepeatNumbers) {
  TurnProgress progress;
  v1::TurnEvent state = Delta(9, 9), heartbeat = Delta(2, 2), started = Delta(1, 1);
  state.mutable_state();
  heartbeat.mutable_heartbeat();
  started.mutable_started();
  EXPECT_EQ(progress.Take(state), EventFate::kShow);
  EXPECT_FALSE(progress.started());
  EXPECT_EQ(progress.Take(started), EventFate::kShow);
  EXPECT_TRUE(progress.started());
  EXPECT_EQ(progress.Take(Delta(2, 2)), EventFate::kShow);
  EXPECT_EQ(progress.Take(heartbeat), EventFate::kShow);
  EXPECT_EQ(progress.Take(heartbeat), EventFate::kShow);
  EXPECT_EQ(progress.next_sequence(), 3);
}

TEST(TurnProgressTest, WithoutNumbersNothingCanBeGoneOnWith) {
  TurnProgress progress;
  EXPECT_TRUE(progress.resumable());
  EXPECT_EQ(progress.Take(Delta(0, 0)), EventFate::kShow);
  EXPECT_FALSE(progress.resumable());
}

}  // namespace
}  // namespace perennial
