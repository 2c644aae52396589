#include "client/backoff.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

using ::testing::ElementsAre;

constexpr BackoffOptions kOptions{
    .first_wait = absl::Milliseconds(200), .longest_wait = absl::Seconds(1), .patience = absl::Seconds(5)};
const absl::Time kStart = absl::UnixEpoch();

Backoff NewBackoff(double random) {
  return Backoff(kOptions, kStart, [random] { return random; });
}

TEST(BackoffTest, WaitsDoubleUpToTheLongest) {
  Backoff backoff = NewBackoff(0);
  std::vector<absl::Duration> waits;
  for (int i = 0; i < 5; ++i) waits.push_back(*backoff.Next(kStart));
  EXPECT_THAT(waits, ElementsAre(absl::Milliseconds(200), absl::Milliseconds(400), absl::Milliseconds(800),
                                 absl::Seconds(1), absl::Seconds(1)));
}

TEST(BackoffTest, RandomnessTakesUpToHalf) {
  Backoff backoff = NewBackoff(0.5);
  EXPECT_EQ(backoff.Next(kStart), absl::Milliseconds(150));
}

TEST(BackoffTest, GivesUpWhenPatienceWouldBeUsedUp) {
  Backoff backoff = NewBackoff(0);
  EXPECT_TRUE(backoff.Next(kStart + absl::Milliseconds(4800)).has_value());
  EXPECT_FALSE(backoff.Next(kStart + absl::Milliseconds(4601)).has_value());
  backoff.Restart(kStart + absl::Seconds(60));
  EXPECT_EQ(backoff.Next(kStart + absl::Seconds(61)), absl::Milliseconds(200)) << "a sign of life begins it anew";
}

TEST(BackoffTest, WaitsAtLeastAsLongAsTheServerAsks) {
  Backoff backoff = NewBackoff(0);
  EXPECT_EQ(backoff.Next(kStart, absl::Seconds(3)), absl::Seconds(3));
  EXPECT_FALSE(backoff.Next(kStart, absl::Seconds(6)).has_value());
}

TEST(BackoffTest, WithoutPatienceItIsNeverTried) {
  Backoff backoff({.patience = absl::ZeroDuration()}, kStart, [] { return 0.0; });
  EXPECT_FALSE(backoff.Next(kStart).has_value());
}

}  // namespace
}  // namespace perennial
