// Tenants that have turns in the engine: their names as small numbers, and not too many of them.

#ifndef PERENNIAL_SERVER_ENGINE_TENANTS_H_
#define PERENNIAL_SERVER_ENGINE_TENANTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace perennial {

// Gives a tenant a number while it has turns. A name costs nothing and proves nothing, so their count is bounded:
// whoever comes when all numbers are taken shares number 0 with the empty name. A number that becomes free goes to the
// next new name together with its place in the rounds (TenantRounds): a new name for every turn gains nothing.
//
// Engine thread only.
class Tenants {
 public:
  // Number 0 and at most `max_tenants` - 1 others. REQUIRES: max_tenants >= 1.
  explicit Tenants(int32_t max_tenants) : max_tenants_(max_tenants) {}
  Tenants(const Tenants&) = delete;
  Tenants& operator=(const Tenants&) = delete;

  // A turn's hold on its tenant's number: the number is the tenant's while one of its turns holds it. Number 0, which
  // nobody needs to hold, until Enter. The Tenants must outlive it.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept : tenants_(std::exchange(other.tenants_, nullptr)), number_(other.number_) {}
    Place& operator=(Place&& other) noexcept;
    ~Place() { Leave(); }

    int32_t number() const { return number_; }

   private:
    friend class Tenants;
    Place(Tenants* tenants, int32_t number) : tenants_(tenants), number_(number) {}
    void Leave();

    Tenants* tenants_ = nullptr;
    int32_t number_ = 0;
  };

  // A turn of the tenant of this name has come.
  Place Enter(const std::string& name);

  // Tenants with a number of their own.
  int32_t size() const { return static_cast<int32_t>(numbers_.size()); }

 private:
  struct Holder {
    std::string name;  // empty: the number is free
    int64_t turns = 0;
  };
  const int32_t max_tenants_;
  std::map<std::string, int32_t> numbers_;
  std::vector<Holder> holders_ = {{}};  // by number
  std::vector<int32_t> free_;           // numbers that were in use once
};

// Whether `name` can be a tenant's: up to kMaxTenantBytes of [A-Za-z0-9_.-]; empty is the tenant of those who say none.
bool IsTenantName(absl::string_view name);
inline constexpr size_t kMaxTenantBytes = 64;

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_TENANTS_H_
