// Messages to tokens, turn by turn, for a stream that only ever grows.
//
// A cache cannot be rendered again, so the tokens of a turn are the *difference* between two renderings of a short
// stand-in history, never of the session's real one, which nobody keeps. At load, probe messages prove that the template
// is append-only (a longer history's rendering begins with the shorter one's); one that is not is refused.

#ifndef PERENNIAL_MODEL_TEXT_CHAT_TEMPLATE_H_
#define PERENNIAL_MODEL_TEXT_CHAT_TEMPLATE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/text/tokenizer.h"
#include "model/token.h"

namespace perennial {

enum class Role { kSystem, kUser, kAssistant };

struct Message {
  Role role = Role::kUser;
  std::string text;  // UTF-8
};

// The tokens of one user message with the header of the reply after it.
struct UserTurn {
  std::vector<TokenId> tokens;
  // Set where the template renders a session's first message differently (Llama 2 puts the system prompt inside it).
  std::optional<std::vector<TokenId>> tokens_if_first;
};

struct ChatTemplateOptions {
  std::string source;    // Jinja
  std::string bos_text;  // what `bos_token` and `eos_token` are in the template
  std::string eos_text;
  std::optional<TokenId> bos_token;
  bool add_bos = false;     // the tokenizer puts BOS first where the template did not
  int64_t fuel = 1'000'000;  // minijinja instructions a rendering may use
};

// The templates that --chat_template=NAME can name: "chatml", "llama2", "llama3", "mistral", "zephyr", "plain".
// NOT_FOUND lists them.
absl::StatusOr<std::string> BuiltInChatTemplate(absl::string_view name);

// Immutable after Create; thread-safe.
class ChatTemplate {
 public:
  // INVALID_ARGUMENT if the template does not compile, runs out of fuel, or is not append-only (says so, and names the
  // built-in ones). `tokenizer` must outlive the template.
  static absl::StatusOr<std::unique_ptr<ChatTemplate>> Create(ChatTemplateOptions options, const Tokenizer* tokenizer);

  // What a session starts with: BOS, then the given history (a system message, if any, first; then user and assistant
  // messages in turn, ending with an assistant message, or with the system message alone). INVALID_ARGUMENT for another
  // order or where the template raises. A template that puts the system prompt into the first user message returns BOS
  // only and keeps the rest for UserTurn::tokens_if_first.
  absl::StatusOr<std::vector<TokenId>> Opening(absl::Span<const Message> history) const;

  // `system` is the session's system message if its first turn must carry it (see Opening); ignored by other templates.
  absl::StatusOr<UserTurn> Turn(absl::string_view user_text, absl::string_view system) const;

  // What follows a reply's last text token: the end-of-turn token and the separator that the template puts after it.
  // Fed before the next turn, in place of the end token that was sampled.
  const std::vector<TokenId>& reply_end() const { return reply_end_; }

 private:
  ChatTemplate(ChatTemplateOptions options, const Tokenizer* tokenizer);

  ChatTemplateOptions options_;
  const Tokenizer* const tokenizer_;
  std::vector<TokenId> reply_end_;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TEXT_CHAT_TEMPLATE_H_
