#include "server/engine/tenant_rounds.h"

#include <array>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(TenantRoundsTest, ServesOneWishOfEachTenantPerRound) {
  TenantRounds rounds;
  EXPECT_THAT(rounds.Order({}), IsEmpty());
  EXPECT_THAT(rounds.Order({5, 5, 5, 2, 2, 9}), ElementsAre(3, 0, 5, 4, 1, 2));
  rounds.Served(2);
  EXPECT_THAT(rounds.Order({5, 5, 5, 2, 2, 9}), ElementsAre(0, 5, 3, 1, 4, 2));
  rounds.Served(5);
  rounds.Served(9);
  EXPECT_THAT(rounds.Order({5, 5, 5, 2, 2, 9}), ElementsAre(3, 0, 5, 4, 1, 2));
  EXPECT_TRUE(rounds.Before(0, 2)) << "who was never served comes first";
  EXPECT_TRUE(rounds.Before(5, 9));
  EXPECT_FALSE(rounds.Before(9, 9));
}

// Every way in which three tenants can want something or not, for six services.
TEST(TenantRoundsTest, NobodyIsServedTwiceWhileAnotherWaits) {
  constexpr int kServices = 6;
  for (int world = 0; world < 1 << (3 * kServices); ++world) {
    TenantRounds rounds;
    std::array<std::array<int, 3>, 3> passed = {};  // [a][b]: services of b since a began to wait
    for (int service = 0; service < kServices; ++service) {
      std::vector<int32_t> wants;
      for (int32_t tenant = 0; tenant < 3; ++tenant) {
        if ((world >> (3 * service + tenant) & 1) != 0) wants.push_back(tenant);
      }
      if (wants.empty()) continue;
      const int32_t next = wants[rounds.Order(wants).front()];
      rounds.Served(next);
      const auto served = static_cast<size_t>(next);
      passed[served] = {};
      for (size_t tenant = 0; tenant < 3; ++tenant) {
        const bool waits = (world >> (3 * service + static_cast<int>(tenant)) & 1) != 0 && tenant != served;
        if (!waits) {
          passed[tenant] = {};
        } else {
          ASSERT_LE(++passed[tenant][served], 1) << "world " << world;
        }
      }
    }
  }
}

}  // namespace
}  // namespace perennial
