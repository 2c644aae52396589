// Text to tokens and back. The work is done by Hugging Face's `tokenizers`, in the Rust static library of
// model/text/rust.

#ifndef PERENNIAL_MODEL_TEXT_TOKENIZER_H_
#define PERENNIAL_MODEL_TEXT_TOKENIZER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/checkpoint.h"
#include "model/token.h"
#include "model/token_constraint.h"

namespace perennial {

namespace text_internal {
struct RustText;  // owns the Rust handle
}

// Immutable after Create; thread-safe.
class Tokenizer {
 public:
  // `chat_template` (may be empty) names literals, such as </think>, that text typed by a user must not forge either.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Create(const TokenizerSource& source,
                                                           absl::string_view chat_template);
  ~Tokenizer();

  // Highest token id + 1. A model's embedding may have more rows than its tokenizer has tokens.
  int32_t vocab_size() const { return static_cast<int32_t>(tokens_.size()); }

  // True if text begins with a space that nobody wrote (SentencePiece): a reply's first one is to be dropped, see
  // ChatTemplate::trims_reply.
  bool adds_leading_space() const { return adds_leading_space_; }

  // Plain text: no control token can come out, whatever is in it, and no BOS is added. INVALID_ARGUMENT if `text` is
  // not UTF-8 or a regular-expression limit is hit.
  absl::StatusOr<std::vector<TokenId>> EncodeText(absl::string_view text) const;

  // A rendered template: control tokens written in it are parsed, except those that came from defused message text
  // (see ChatTemplate). No BOS is added.
  absl::StatusOr<std::vector<TokenId>> EncodeRendered(absl::string_view rendered) const;

  // The bytes that `token` stands for, independent of its neighbours; may be part of a UTF-8 character. Control tokens
  // give an empty string. `token` out of range: empty.
  const std::string& TokenBytes(TokenId token) const;

  // A control token's id from its literal, or kNoToken.
  TokenId ControlToken(absl::string_view literal) const;

  // True for tokens that EncodeText never gives. The one for unknown characters is not among them.
  bool IsControl(TokenId token) const;

 private:
  friend class ChatTemplate;
  friend absl::StatusOr<std::unique_ptr<TokenConstraint>> MakeJsonConstraint(const Tokenizer& tokenizer,
                                                                             absl::string_view json_schema);

  struct TokenText {
    std::string bytes;
    bool is_control = false;
  };

  Tokenizer(std::unique_ptr<text_internal::RustText> rust, std::vector<TokenText> tokens);

  // `text` with its control literals broken up, so that a template may write it into a rendering and EncodeRendered
  // still reads it as text. `keep_template_literals`: an assistant's own text may hold what the template looks for in
  // it.
  absl::StatusOr<std::string> Defuse(absl::string_view text, bool keep_template_literals) const;

  const std::unique_ptr<text_internal::RustText> rust_;
  const std::vector<TokenText> tokens_;  // [vocab]
  bool adds_leading_space_ = false;      // constant after Create
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TEXT_TOKENIZER_H_
