#include "server/engine/cache_reservations.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "model/check.h"

namespace perennial {

bool CacheReservations::Fits(int64_t bytes) const {
  PERENNIAL_CHECK(bytes > 0);
  const int64_t total = total_bytes_ + bytes;
  if (total <= cache_bytes_) return true;
  if (parked_bytes_ == 0 || bytes > cache_bytes_) return false;
  int64_t unit = bytes;  // g
  for (const auto& [size, count] : sessions_) unit = std::gcd(unit, size);
  const int64_t above = (cache_bytes_ / unit + 1) * unit;  // U

  int64_t largest = bytes;
  int64_t second = 0;
  int taken = 0;
  for (auto it = sessions_.rbegin(); it != sessions_.rend() && taken < 2; ++it) {
    for (int64_t i = 0; i < it->second && taken < 2; ++i, ++taken) {
      second = std::max(second, std::min(largest, it->first));
      largest = std::max(largest, it->first);
    }
  }
  return total + largest + second <= above + parked_bytes_;
}

void CacheReservations::Add(int64_t bytes) {
  ++sessions_[bytes];
  total_bytes_ += bytes;
}

void CacheReservations::Remove(int64_t bytes) {
  const auto found = sessions_.find(bytes);
  PERENNIAL_CHECK(found != sessions_.end());
  if (--found->second == 0) sessions_.erase(found);
  total_bytes_ -= bytes;
}

}  // namespace perennial
