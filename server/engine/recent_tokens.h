// The newest tokens of a session's stream: what penalties look at, and what a turn can be pinned from.

#ifndef PERENNIAL_SERVER_ENGINE_RECENT_TOKENS_H_
#define PERENNIAL_SERVER_ENGINE_RECENT_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/token.h"

namespace perennial {

// A ring: memory grows with the stream up to its capacity, then stays. Survives turns, because the stream does: a
// penalty sees the prompt and earlier replies too. Tokens keep their index in the stream. Not thread-safe.
class RecentTokens {
 public:
  static constexpr size_t kMaxTokens = 4096;  // SamplingParams::repetition_window's limit

  // Keeps the newest `capacity` >= 1 tokens.
  explicit RecentTokens(size_t capacity = kMaxTokens) : capacity_(capacity) {}

  // Adds tokens that were fed, oldest first.
  void Add(absl::Span<const TokenId> tokens);

  // The stream went back to its first `num_tokens` <= end() tokens. What was kept before them stays.
  void Rewind(int64_t num_tokens);

  // Stream indices of the tokens that are kept: [begin(), end()). end() counts all tokens ever added and not rewound.
  int64_t begin() const { return end_ - static_cast<int64_t>(size_); }
  int64_t end() const { return end_; }

  // Replaces `newest` with the newest tokens, at most `count`, oldest first.
  void CopyNewest(size_t count, std::vector<TokenId>& newest) const;

  // Tokens first … last - 1 of the stream. REQUIRES: begin() <= first <= last <= end().
  std::vector<TokenId> Copy(int64_t first, int64_t last) const;

 private:
  // Tokens first … last - 1, which are kept, at the end of `tokens`.
  void Append(int64_t first, int64_t last, std::vector<TokenId>& tokens) const;

  size_t capacity_;
  std::vector<TokenId> ring_;  // token t is at t % capacity_
  size_t size_ = 0;            // tokens that are kept
  int64_t end_ = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_RECENT_TOKENS_H_
