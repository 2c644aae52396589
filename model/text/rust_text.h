// The Rust library's handles and buffers as C++ values. Private to model/text.

#ifndef PERENNIAL_MODEL_TEXT_RUST_TEXT_H_
#define PERENNIAL_MODEL_TEXT_RUST_TEXT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/text/rust/perennial_text.h"
#include "model/token.h"

namespace perennial::text_internal {

// For unique_ptr: a handle goes back to the library that made it, on any thread.
struct FreeTokenizer {
  void operator()(PerennialTokenizer* tokenizer) const { perennial_tokenizer_free(tokenizer); }
};
struct FreeTemplate {
  void operator()(PerennialTemplate* chat_template) const { perennial_template_free(chat_template); }
};

// Tokenizer's handle, never null. (A struct of its own so that tokenizer.h need not show the C interface.)
struct RustText {
  std::unique_ptr<PerennialTokenizer, FreeTokenizer> tokenizer;
};

// Borrows `text` for one call.
inline PerennialSlice SliceOf(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Bytes that the library gave: freed when they go out of scope. Neither copied nor moved, because the library holds the
// address of `out()` during the call.
class OwnedBytes {
 public:
  OwnedBytes() = default;
  OwnedBytes(const OwnedBytes&) = delete;
  OwnedBytes& operator=(const OwnedBytes&) = delete;
  ~OwnedBytes() { perennial_bytes_free(bytes_); }

  // Where a call writes its result; use once.
  PerennialBytes* out() { return &bytes_; }
  // A copy of what the library wrote, empty if it wrote nothing.
  std::string Text() const { return std::string(reinterpret_cast<const char*>(bytes_.data), bytes_.size); }

 private:
  PerennialBytes bytes_{nullptr, 0, 0};
};

// The same for token ids.
class OwnedTokens {
 public:
  OwnedTokens() = default;
  OwnedTokens(const OwnedTokens&) = delete;
  OwnedTokens& operator=(const OwnedTokens&) = delete;
  ~OwnedTokens() { perennial_tokens_free(tokens_); }

  // Where a call writes its result; use once.
  PerennialTokens* out() { return &tokens_; }
  // A copy, as above.
  std::vector<TokenId> Tokens() const {
    return tokens_.size == 0 ? std::vector<TokenId>() : std::vector<TokenId>(tokens_.data, tokens_.data + tokens_.size);
  }

 private:
  PerennialTokens tokens_{nullptr, 0, 0};
};

}  // namespace perennial::text_internal

#endif  // PERENNIAL_MODEL_TEXT_RUST_TEXT_H_
