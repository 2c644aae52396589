#include "server/tenant_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/engine/error.h"

namespace perennial {
namespace {

using ::testing::StartsWith;

absl::StatusOr<std::string> TenantIn(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  return TenantOf(metadata);
}

TEST(TenantMetadataTest, IsTheValueOfXTenant) {
  EXPECT_EQ(*TenantIn({}), "");
  EXPECT_EQ(*TenantIn({{"user-agent", "x"}, {"x-tenant", "Blue_team-2.1"}, {"x-tenants", "y"}}), "Blue_team-2.1");
  const std::string longest(64, 'a');
  EXPECT_EQ(*TenantIn({{"x-tenant", longest}}), longest);
}

TEST(TenantMetadataTest, RefusesWhatIsNoName) {
  const std::string too_long(65, 'a');
  for (const std::string& bad : {std::string(), std::string("a b"), std::string("a/b"), std::string("ü"), too_long}) {
    const absl::Status status = TenantIn({{"x-tenant", bad}}).status();
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidField) << bad;
    EXPECT_THAT(std::string(status.message()), StartsWith("x-tenant: "));
  }
  EXPECT_FALSE(TenantIn({{"x-tenant", "a"}, {"x-tenant", "b"}}).ok());
}

}  // namespace
}  // namespace perennial
