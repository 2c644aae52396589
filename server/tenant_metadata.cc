#include "server/tenant_metadata.h"

#include "absl/strings/str_cat.h"
#include "server/engine/tenants.h"
#include "server/request_rules.h"

namespace perennial {

absl::StatusOr<std::string> TenantOf(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  const auto [first, end] = metadata.equal_range(kTenantKey);
  if (first == end) return "";
  if (std::next(first) != end) return FieldError(kTenantKey, "is there more than once");
  std::string tenant(first->second.data(), first->second.size());
  if (tenant.empty() || !IsTenantName(tenant)) {
    return FieldError(kTenantKey, absl::StrCat("metadata of ", tenant.size(), " bytes is not 1 … ", kMaxTenantBytes,
                                               " characters of A-Z, a-z, 0-9, _, . and -"));
  }
  return tenant;
}

}  // namespace perennial
