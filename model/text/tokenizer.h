// Text to tokens and back. The work is done by Hugging Face's `tokenizers`, in the Rust static library of model/text/rust.

#ifndef PERENNIAL_MODEL_TEXT_TOKENIZER_H_
#define PERENNIAL_MODEL_TEXT_TOKENIZER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/checkpoint.h"
#include "model/token.h"

namespace perennial {

namespace text_internal {
struct RustText;  // owns the Rust handle
}

// Immutable after Create; thread-safe.
class Tokenizer {
 public:
  // `chat_template` (may be empty) names literals, such as </think>, that text typed by a user must not forge either.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Create(const TokenizerSource& source, absl::string_view chat_template);
  ~Tokenizer();

  int32_t vocab_size() const;

  // Plain text: no control token can come out, whatever is in it, and no BOS is added. INVALID_ARGUMENT if `text` is not
  // UTF-8 or a regular-expression limit is hit.
  absl::StatusOr<std::vector<TokenId>> EncodeText(absl::string_view text) const;

  // A rendered template: control tokens written in it are parsed, except those that came from defused message text
  // (see ChatTemplate). No BOS is added.
  absl::StatusOr<std::vector<TokenId>> EncodeRendered(absl::string_view rendered) const;

  // The bytes that `token` stands for, independent of its neighbours; may be part of a UTF-8 character. Control tokens
  // give an empty string. `token` out of range: empty.
  const std::string& TokenBytes(TokenId token) const;

  // A control token's id from its literal, or kNoToken.
  TokenId ControlToken(absl::string_view literal) const;

 private:
  friend class ChatTemplate;
  explicit Tokenizer(std::unique_ptr<text_internal::RustText> rust, std::vector<std::string> token_bytes);

  const std::unique_ptr<text_internal::RustText> rust_;
  const std::vector<std::string> token_bytes_;  // [vocab]
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TEXT_TOKENIZER_H_
