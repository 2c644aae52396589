#include "server/engine/tenant_rounds.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace perennial {

void TenantRounds::Served(int32_t tenant) {
  const auto index = static_cast<size_t>(tenant);
  if (index >= last_service_.size()) last_service_.resize(index + 1);
  last_service_[index] = ++services_;
}

bool TenantRounds::Before(int32_t a, int32_t b) const {
  return std::make_pair(LastService(a), a) < std::make_pair(LastService(b), b);
}

std::vector<size_t> TenantRounds::Order(absl::Span<const int32_t> tenants) const {
  std::vector<size_t> order(tenants.size());
  std::iota(order.begin(), order.end(), size_t{0});
  // By tenant first: a wish's round is its place among its tenant's.
  std::stable_sort(order.begin(), order.end(), [tenants](size_t a, size_t b) { return tenants[a] < tenants[b]; });
  std::vector<size_t> round(tenants.size());
  for (size_t i = 1; i < order.size(); ++i) {
    if (tenants[order[i]] == tenants[order[i - 1]]) round[order[i]] = round[order[i - 1]] + 1;
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return round[a] != round[b] ? round[a] < round[b] : Before(tenants[a], tenants[b]);
  });
  return order;
}

int64_t TenantRounds::LastService(int32_t tenant) const {
  const auto index = static_cast<size_t>(tenant);
  return index < last_service_.size() ? last_service_[index] : 0;
}

}  // namespace perennial
