#include "server/engine/tenants.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

TEST(TenantsTest, ATenantHasOneNumberWhileItHasTurns) {
  Tenants tenants(10);
  {
    const Tenants::Place first = tenants.Enter("a");
    const Tenants::Place other = tenants.Enter("b");
    const Tenants::Place second = tenants.Enter("a");
    EXPECT_EQ(first.number(), second.number());
    EXPECT_NE(first.number(), other.number());
    EXPECT_NE(first.number(), 0);
    EXPECT_NE(other.number(), 0);
    EXPECT_EQ(tenants.size(), 2);
  }
  EXPECT_EQ(tenants.size(), 0);
}

TEST(TenantsTest, TheEmptyNameHasNumberZero) {
  Tenants tenants(10);
  EXPECT_EQ(tenants.Enter("").number(), 0);
  EXPECT_EQ(tenants.size(), 0);
  EXPECT_EQ(Tenants::Place().number(), 0);
}

TEST(TenantsTest, WhoComesWhenAllNumbersAreTakenSharesNumberZero) {
  Tenants tenants(3);
  std::vector<Tenants::Place> places;
  for (int i = 0; i < 100; ++i) places.push_back(tenants.Enter(absl::StrCat("tenant", i)));
  EXPECT_EQ(tenants.size(), 2);
  for (size_t i = 2; i < places.size(); ++i) EXPECT_EQ(places[i].number(), 0);
  EXPECT_EQ(tenants.Enter("tenant1").number(), places[1].number()) << "one that has a number keeps it";
  EXPECT_EQ(Tenants(1).Enter("a").number(), 0);
}

TEST(TenantsTest, ANewNameForEveryTurnInheritsTheNumber) {
  Tenants tenants(100);
  const Tenants::Place other = tenants.Enter("other");
  const int32_t number = tenants.Enter("first").number();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(tenants.Enter(absl::StrCat(i)).number(), number);
}

TEST(TenantsTest, APlaceCanBeMoved) {
  Tenants tenants(10);
  Tenants::Place place;
  place = tenants.Enter("a");
  Tenants::Place moved = std::move(place);
  EXPECT_EQ(tenants.size(), 1);
  moved = tenants.Enter("b");
  EXPECT_EQ(tenants.size(), 1) << "a has left";
  moved = Tenants::Place();
  EXPECT_EQ(tenants.size(), 0);
}

TEST(TenantsTest, NamesAreShortAndPlain) {
  for (const std::string name : {"", "a", "A-b_c.9"}) EXPECT_TRUE(IsTenantName(name)) << name;
  EXPECT_TRUE(IsTenantName(std::string(kMaxTenantBytes, 'x')));
  EXPECT_FALSE(IsTenantName(std::string(kMaxTenantBytes + 1, 'x')));
  for (const std::string name : {"a b", "a/b", "ä", "a\n"}) EXPECT_FALSE(IsTenantName(name)) << name;
}

}  // namespace
}  // namespace perennial
