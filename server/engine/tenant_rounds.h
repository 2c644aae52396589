// Tenants take turns: a row in which each is served once before any is served again.

#ifndef PERENNIAL_SERVER_ENGINE_TENANT_ROUNDS_H_
#define PERENNIAL_SERVER_ENGINE_TENANT_ROUNDS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace perennial {

// One row. Who was served longest ago comes next, who never was before all others; equals by number. So, from the time
// when a tenant wants something, each other tenant is served at most once before it, and of two tenants that both want
// more all the time neither is served twice while the other is not.
//
// Tenants are the small numbers that Tenants gives out. Memory: one integer per number. Not thread-safe.
class TenantRounds {
 public:
  void Served(int32_t tenant);

  // True if `a`'s next service comes before `b`'s.
  bool Before(int32_t a, int32_t b) const;

  // The order in which wishes are served, as indexes into `tenants`, which says whose each wish is; a tenant's own
  // wishes keep their order. One wish of every tenant, then the second of every one that has a second, …
  std::vector<size_t> Order(absl::Span<const int32_t> tenants) const;

 private:
  int64_t LastService(int32_t tenant) const;

  std::vector<int64_t> last_service_;  // by tenant; 0: never
  int64_t services_ = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_TENANT_ROUNDS_H_
