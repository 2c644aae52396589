// The newest tokens of a session's stream: what the repetition penalty looks at.

#ifndef PERENNIAL_SERVER_ENGINE_RECENT_TOKENS_H_
#define PERENNIAL_SERVER_ENGINE_RECENT_TOKENS_H_

#include <cstddef>
#include <vector>

#include "absl/types/span.h"
#include "model/token.h"

namespace perennial {

// A ring: memory grows with the stream up to kMaxTokens, then stays. Survives turns, because the stream does: a penalty
// sees the prompt and earlier replies too. Not thread-safe.
class RecentTokens {
 public:
  static constexpr size_t kMaxTokens = 4096;  // SamplingParams::repetition_window's limit

  // Adds tokens that were fed, oldest first.
  void Add(absl::Span<const TokenId> tokens);

  // Replaces `newest` with the newest tokens, at most `count`, oldest first.
  void CopyNewest(size_t count, std::vector<TokenId>& newest) const;

 private:
  std::vector<TokenId> ring_;
  size_t next_ = 0;  // where the next token goes once the ring is full: the place of the oldest
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_RECENT_TOKENS_H_
