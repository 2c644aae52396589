#include "server/engine/recent_tokens.h"

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(RecentTokensTest, GivesTheNewestTokensOldestFirst) {
  RecentTokens recent;
  std::vector<TokenId> newest = {99};
  recent.CopyNewest(5, newest);
  EXPECT_THAT(newest, IsEmpty());
  recent.Add({1, 2, 3});
  recent.CopyNewest(2, newest);
  EXPECT_THAT(newest, ElementsAre(2, 3));
  recent.CopyNewest(9, newest);
  EXPECT_THAT(newest, ElementsAre(1, 2, 3));
  recent.CopyNewest(0, newest);
  EXPECT_THAT(newest, IsEmpty());
}

TEST(RecentTokensTest, ForgetsTheOldestBeyondItsLimit) {
  constexpr size_t kMax = RecentTokens::kMaxTokens;
  for (const size_t piece : {size_t{1}, size_t{7}, kMax - 1, kMax, kMax + 3, 3 * kMax}) {
    RecentTokens recent;
    std::vector<TokenId> all;
    while (all.size() < 2 * kMax + 10) {
      std::vector<TokenId> tokens;
      for (size_t i = 0; i < piece; ++i) tokens.push_back(static_cast<TokenId>(all.size() + i));
      all.insert(all.end(), tokens.begin(), tokens.end());
      recent.Add(tokens);
    }
    for (const size_t count : {size_t{1}, size_t{100}, kMax, 2 * kMax}) {
      std::vector<TokenId> newest;
      recent.CopyNewest(count, newest);
      const auto kept = static_cast<std::ptrdiff_t>(std::min(count, kMax));
      EXPECT_EQ(newest, std::vector<TokenId>(all.end() - kept, all.end())) << "pieces of " << piece;
    }
  }
}

TEST(RecentTokensTest, KeepsEachTokensIndexInTheStream) {
  RecentTokens recent(4);
  EXPECT_EQ(recent.begin(), 0);
  recent.Add({10, 11, 12});
  EXPECT_EQ(recent.end(), 3);
  EXPECT_THAT(recent.Copy(1, 3), ElementsAre(11, 12));
  recent.Add({13, 14, 15});
  EXPECT_EQ(recent.begin(), 2);
  EXPECT_THAT(recent.Copy(2, 6), ElementsAre(12, 13, 14, 15));
  EXPECT_THAT(recent.Copy(6, 6), IsEmpty());
  recent.Add({16, 17, 18, 19, 20, 21, 22});
  EXPECT_EQ(recent.end(), 13);
  EXPECT_THAT(recent.Copy(9, 13), ElementsAre(19, 20, 21, 22));
}

TEST(RecentTokensTest, GoesBackToAnEarlierPointOfTheStream) {
  RecentTokens recent(4);
  recent.Add({10, 11, 12, 13, 14, 15});
  recent.Rewind(4);
  EXPECT_EQ(recent.begin(), 2);
  EXPECT_EQ(recent.end(), 4);
  EXPECT_THAT(recent.Copy(2, 4), ElementsAre(12, 13));
  recent.Add({24, 25, 26});
  EXPECT_THAT(recent.Copy(3, 7), ElementsAre(13, 24, 25, 26));
  recent.Rewind(1);  // further back than what is kept
  EXPECT_EQ(recent.begin(), 1);
  EXPECT_EQ(recent.end(), 1);
  std::vector<TokenId> newest;
  recent.CopyNewest(9, newest);
  EXPECT_THAT(newest, IsEmpty());
  recent.Add({31});
  EXPECT_THAT(recent.Copy(1, 2), ElementsAre(31));
}

}  // namespace
}  // namespace perennial
