#include "server/engine/tenants.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "model/check.h"

namespace perennial {

Tenants::Place& Tenants::Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  Leave();
  tenants_ = std::exchange(other.tenants_, nullptr);
  number_ = other.number_;
  return *this;
}

void Tenants::Place::Leave() {
  if (tenants_ == nullptr) return;
  Holder& holder = tenants_->holders_[static_cast<size_t>(number_)];
  PERENNIAL_CHECK(holder.turns > 0);
  if (--holder.turns == 0) {
    tenants_->numbers_.erase(holder.name);
    holder.name.clear();
    tenants_->free_.push_back(number_);
  }
  tenants_ = nullptr;
}

Tenants::Place Tenants::Enter(const std::string& name) {
  if (name.empty()) return {};
  auto known = numbers_.find(name);
  if (known == numbers_.end()) {
    if (free_.empty()) {
      if (holders_.size() >= static_cast<size_t>(max_tenants_)) return {};
      free_.push_back(static_cast<int32_t>(holders_.size()));
      holders_.push_back({});
    }
    known = numbers_.emplace(name, free_.back()).first;
    free_.pop_back();
    holders_[static_cast<size_t>(known->second)].name = name;
  }
  ++holders_[static_cast<size_t>(known->second)].turns;
  return Place(this, known->second);
}

bool IsTenantName(absl::string_view name) {
  return name.size() <= kMaxTenantBytes && std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
         });
}

}  // namespace perennial
