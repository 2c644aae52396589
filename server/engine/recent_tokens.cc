#include "server/engine/recent_tokens.h"

#include <algorithm>

#include "model/check.h"

namespace perennial {

void RecentTokens::Add(absl::Span<const TokenId> tokens) {
  if (tokens.size() > capacity_) {
    end_ += static_cast<int64_t>(tokens.size() - capacity_);
    tokens.remove_prefix(tokens.size() - capacity_);
  }
  for (const TokenId token : tokens) {
    const size_t place = static_cast<size_t>(end_) % capacity_;
    if (place >= ring_.size()) ring_.resize(place + 1);
    ring_[place] = token;
    ++end_;
  }
  size_ = std::min(capacity_, size_ + tokens.size());
}

void RecentTokens::Rewind(int64_t num_tokens) {
  PERENNIAL_CHECK(num_tokens >= 0 && num_tokens <= end_);
  size_ -= std::min(size_, static_cast<size_t>(end_ - num_tokens));
  end_ = num_tokens;
}

void RecentTokens::CopyNewest(size_t count, std::vector<TokenId>& newest) const {
  newest.clear();
  Append(end_ - static_cast<int64_t>(std::min(count, size_)), end_, newest);
}

std::vector<TokenId> RecentTokens::Copy(int64_t first, int64_t last) const {
  PERENNIAL_CHECK(begin() <= first && first <= last && last <= end_);
  std::vector<TokenId> tokens;
  Append(first, last, tokens);
  return tokens;
}

void RecentTokens::Append(int64_t first, int64_t last, std::vector<TokenId>& tokens) const {
  const auto count = static_cast<size_t>(last - first);
  const size_t place = static_cast<size_t>(first) % capacity_;
  const size_t to_the_end = std::min(count, capacity_ - place);
  const auto at = [this](size_t i) { return ring_.begin() + static_cast<std::ptrdiff_t>(i); };
  tokens.insert(tokens.end(), at(place), at(place + to_the_end));
  tokens.insert(tokens.end(), ring_.begin(), at(count - to_the_end));
}

}  // namespace perennial
