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
  for (size_t i = ring_.size() - count; i < ring_.size(); ++i) newest.push_back(ring_[(next_ + i) % ring_.size()]);
}

}  // namespace perennial
