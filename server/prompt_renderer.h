// From the texts of a request to tokens: what the gRPC edge needs of the model's tokenizer and chat template.

#ifndef PERENNIAL_SERVER_PROMPT_RENDERER_H_
#define PERENNIAL_SERVER_PROMPT_RENDERER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/checkpoint/checkpoint.h"
#include "model/text/chat_template.h"
#include "model/text/tokenizer.h"
#include "model/text/user_turn.h"
#include "model/token.h"
#include "model/token_constraint.h"

namespace perennial {

// Thread-safe. Errors are INVALID_ARGUMENT (the text cannot be rendered or tokenized); their messages name no field.
class PromptRenderer {
 public:
  virtual ~PromptRenderer() = default;

  // What a session starts with, and how its first turn goes on; see ChatTemplate::Opening.
  virtual absl::StatusOr<SessionOpening> Opening(absl::Span<const Message> history) const = 0;

  // One user message with the header of the reply, for any session that it may go to; see ChatTemplate::Turn.
  virtual absl::StatusOr<UserTurn> Turn(absl::string_view user_text) const = 0;

  // Messages that are fed with their replies; see ChatTemplate::Continuation.
  virtual absl::StatusOr<UserTurn> Continuation(absl::Span<const Message> messages) const = 0;

  // A session's notes; see ChatTemplate::Notes.
  virtual absl::StatusOr<std::vector<TokenId>> Notes(absl::string_view text) const = 0;

  // What keeps a reply to a JSON Schema; see MakeJsonConstraint.
  virtual absl::StatusOr<std::unique_ptr<TokenConstraint>> Constraint(absl::string_view json_schema) const = 0;

  // Plain text without a template.
  virtual absl::StatusOr<std::vector<TokenId>> Text(absl::string_view text) const = 0;
};

// The real one: a checkpoint's tokenizer, and its template or another one.
class TemplatePromptRenderer final : public PromptRenderer {
 public:
  // `chat_template`: empty for the checkpoint's own, a built-in name, or a file. INVALID_ARGUMENT or NOT_FOUND in one
  // line if there is none, it cannot be read or it is refused. `checkpoint` is only read during the call.
  static absl::StatusOr<std::unique_ptr<TemplatePromptRenderer>> Create(const Checkpoint& checkpoint,
                                                                        const std::string& chat_template, int64_t fuel);

  absl::StatusOr<SessionOpening> Opening(absl::Span<const Message> history) const override;
  absl::StatusOr<UserTurn> Turn(absl::string_view user_text) const override;
  absl::StatusOr<UserTurn> Continuation(absl::Span<const Message> messages) const override;
  absl::StatusOr<std::vector<TokenId>> Notes(absl::string_view text) const override;
  absl::StatusOr<std::unique_ptr<TokenConstraint>> Constraint(absl::string_view json_schema) const override;
  absl::StatusOr<std::vector<TokenId>> Text(absl::string_view text) const override;

  // For the engine: bytes of tokens, and what is fed after a reply.
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const std::vector<TokenId>& reply_end() const { return template_->reply_end(); }
  bool trims_reply() const { return template_->trims_reply(); }

 private:
  TemplatePromptRenderer(std::unique_ptr<Tokenizer> tokenizer, std::unique_ptr<ChatTemplate> chat_template);

  const std::unique_ptr<Tokenizer> tokenizer_;
  const std::unique_ptr<ChatTemplate> template_;  // after the tokenizer, which it points to
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_PROMPT_RENDERER_H_
