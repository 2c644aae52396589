#include "server/engine/recent_tokens.h"

#include <algorithm>

namespace perennial {

void RecentTokens::Add(absl::Span<const TokenId> tokens) {
  if (tokens.size() > kMaxTokens) tokens.remove_prefix(tokens.size() - kMaxTokens);
  for (const TokenId token : tokens) {
    if (ring_.size() < kMaxTokens) {
      ring_.push_back(token);
    } else {
      ring_[next_] = token;
      next_ = (next_ + 1) % kMaxTokens;
    }
  }
}

void RecentTokens::CopyNewest(size_t count, std::vector<TokenId>& newest) const {
  newest.clear();
  count = std::min(count, ring_.size());
  // Oldest first, the ring is [next_, end) followed by [0, next_).
  const size_t from_first = std::min(count, next_);
  newest.insert(newest.end(), ring_.end() - static_cast<std::ptrdiff_t>(count - from_first), ring_.end());
  newest.insert(newest.end(), ring_.begin() + static_cast<std::ptrdiff_t>(next_ - from_first),
                ring_.begin() + static_cast<std::ptrdiff_t>(next_));
}

}  // namespace perennial
