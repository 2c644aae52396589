#include "client/backoff.h"

#include <algorithm>
#include <utility>

namespace perennial {

Backoff::Backoff(const BackoffOptions& options, absl::Time now, std::function<double()> random)
    : options_(options), random_(std::move(random)) {
  Restart(now);
}

void Backoff::Restart(absl::Time now) {
  alive_ = now;
  wait_ = options_.first_wait;
}

std::optional<absl::Duration> Backoff::Next(absl::Time now, std::optional<absl::Duration> asked) {
  const absl::Duration wait = std::max(wait_ * (1 - random_() / 2), asked.value_or(absl::ZeroDuration()));
  wait_ = std::min(2 * wait_, options_.longest_wait);
  if (now + wait > alive_ + options_.patience) return std::nullopt;
  return wait;
}

}  // namespace perennial
