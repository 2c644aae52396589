// Comparing lists of tokens: how model/text tells where one rendering continues another. Private to model/text.

#ifndef PERENNIAL_MODEL_TEXT_TOKEN_LISTS_H_
#define PERENNIAL_MODEL_TEXT_TOKEN_LISTS_H_

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

#include "absl/types/span.h"
#include "model/text/tokenizer.h"
#include "model/token.h"

namespace perennial::text_internal {

// Every list begins with the empty one, and with itself.
inline bool BeginsWith(absl::Span<const TokenId> tokens, absl::Span<const TokenId> prefix) {
  return tokens.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), tokens.begin());
}

// How many tokens both begin with.
inline size_t CommonPrefix(absl::Span<const TokenId> a, absl::Span<const TokenId> b) {
  const size_t shorter = std::min(a.size(), b.size());
  return static_cast<size_t>(std::mismatch(a.begin(), a.begin() + shorter, b.begin()).first - a.begin());
}

// The tokens from index `begin` on. REQUIRES: begin <= tokens.size().
inline std::vector<TokenId> After(absl::Span<const TokenId> tokens, size_t begin) {
  return std::vector<TokenId>(tokens.begin() + begin, tokens.end());
}

// The control tokens among `tokens`, in order: what a message's text must not change. Two renderings of the same
// messages with other texts have the same ones, or a text has forged one.
inline std::vector<TokenId> ControlsOf(const Tokenizer& tokenizer, absl::Span<const TokenId> tokens) {
  std::vector<TokenId> controls;
  std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(controls),
               [&tokenizer](TokenId token) { return tokenizer.IsControl(token); });
  return controls;
}

}  // namespace perennial::text_internal

#endif  // PERENNIAL_MODEL_TEXT_TOKEN_LISTS_H_
