// Messages to tokens, turn by turn, for a stream that only ever grows.
//
// A cache cannot be rendered again, so the tokens of a turn are the *difference* between two renderings of a short
// stand-in history, never of the session's real one, which nobody keeps. At load, probe messages prove that the
// template is append-only (a longer history's rendering begins with the shorter one's); one that is not is refused.
//
//   opening    what render([system, U], reply header) has before the turn of U       once per session
//   turn of U  what render([A, B, U], reply header) has after B and the reply end     A, B: stand-in question and
//   answer reply end  what render([A, B]) has after B, if that is still there when U comes
//
// A template that leaves out what a model thought before earlier answers is taken: here that stays, like all that was
// said. One that moves the system message on to the newest user message is taken too: here it stays in the first one.
//
// Some templates write the system prompt inside the first user message (Llama 2, Mistral), or that message differently
// for another reason. Then the opening is all that stands before the first user's text, and ends inside the message; a
// turn comes in the variants that may follow (UserTurn), each proved by probes not to depend on the system prompt.
//
// Message texts are made safe first: no text can become a control token, whatever the template does with it. A BOS that
// the template itself writes into later turns (Llama 2's does) is what the model was trained on, and stays.

#ifndef PERENNIAL_MODEL_TEXT_CHAT_TEMPLATE_H_
#define PERENNIAL_MODEL_TEXT_CHAT_TEMPLATE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/checkpoint/checkpoint.h"
#include "model/text/message.h"
#include "model/text/tokenizer.h"
#include "model/text/user_turn.h"
#include "model/token.h"

namespace perennial {

namespace text_internal {
class FirstTurnSplit;  // a first turn's pieces, where it is not like the others
class TurnFormat;      // the template's pieces as text
struct TemplateMessage;
}  // namespace text_internal

struct ChatTemplateOptions {
  // What the checkpoint says: its own template, which may be empty, and its tokens.
  static ChatTemplateOptions Of(const Checkpoint& checkpoint);

  std::string source;    // Jinja
  std::string bos_text;  // what `bos_token` and `eos_token` are in the template
  std::string eos_text;
  std::optional<TokenId> bos_token;
  bool add_bos = false;               // the tokenizer puts BOS first where the template did not
  std::optional<TokenId> sink_token;  // that the model was trained with: comes before everything, BOS too
  int64_t fuel = 1'000'000;           // what a rendering may use: about one per instruction and per 64 bytes made
  std::function<absl::Time()> now;    // the date that an opening may show; unset: the system's clock. Thread-safe.
};

// The templates that --chat_template=NAME can name: "chatml", "gemma", "llama2", "llama3", "mistral", "phi3",
// "zephyr", "plain".
// NOT_FOUND lists them.
absl::StatusOr<std::string> BuiltInChatTemplate(absl::string_view name);

// Those names, for messages: "chatml, llama2, …".
std::string BuiltInChatTemplateNames();

// Immutable after Create; thread-safe.
class ChatTemplate {
 public:
  // INVALID_ARGUMENT if the template does not compile, runs out of fuel, or is not append-only (says so, and names the
  // built-in ones). `tokenizer` must outlive the template.
  static absl::StatusOr<std::unique_ptr<ChatTemplate>> Create(ChatTemplateOptions options, const Tokenizer* tokenizer);
  ~ChatTemplate();

  // What a session starts with: the sink token if there is one, BOS, then the given history (a system message, if any,
  // first; then user and assistant messages in turn, ending with an assistant message, or with the system message
  // alone), and how its first turn goes on. INVALID_ARGUMENT for another order or where the template raises. BOS comes
  // once: the one that the template writes, or with `add_bos` the tokenizer's. May be empty (no BOS, no default system
  // prompt, no history).
  //
  // After a history with turns the next one is usual. Without turns, a template that writes the first message
  // differently gives the tokens before the user's text, system prompt included: together with the turn's variant they
  // are the whole rendering's text, and its tokens too unless a message's text merges with the template's beside it in
  // a way that no probe's does; then each part has the tokens that it has alone.
  absl::StatusOr<SessionOpening> Opening(absl::Span<const Message> history) const;

  // A user's message, with all variants that an opening of this template can ask for. INVALID_ARGUMENT if the text is
  // not UTF-8, or the template raises or writes other control tokens for it than it does for any text.
  absl::StatusOr<UserTurn> Turn(absl::string_view user_text) const;

  // Messages that are fed with their replies: a user's first, then in turn, the last one an assistant's; all variants.
  // They end where a reply ends that the model wrote: reply_end() follows before the next turn. After an opening
  // without turns they make the stream that Opening makes of the same messages as history. INVALID_ARGUMENT for another
  // order, else as Turn's.
  absl::StatusOr<UserTurn> Continuation(absl::Span<const Message> messages) const;

  // A session's notes: the tokens of a system message with this text, as the template writes one, without BOS. Plain
  // text and a line break where it takes no system message or writes it inside the first user message. Empty text: no
  // tokens. INVALID_ARGUMENT as Opening's.
  absl::StatusOr<std::vector<TokenId>> Notes(absl::string_view text) const;

  // What follows a reply's last text token: the end-of-turn token and the separator that the template puts after it.
  // Fed before the next turn, in place of the end token that was sampled.
  const std::vector<TokenId>& reply_end() const { return reply_end_; }

  // True if a reply's first space was not written by anybody: to be dropped from what the user sees (TextStream).
  bool trims_reply() const;

 private:
  ChatTemplate(ChatTemplateOptions options, const Tokenizer* tokenizer,
               std::unique_ptr<const text_internal::TurnFormat> format);

  // The steps of Create; each sets members that the later ones read.
  absl::Status LearnReplyEnd();
  absl::Status LearnFirstTurn();

  absl::StatusOr<std::string> Defused(const Message& message) const;
  // One variant of a continuation.
  absl::StatusOr<std::vector<TokenId>> ContinuationTokens(
      const text_internal::FirstTurnSplit* first, absl::Span<const text_internal::TemplateMessage> messages) const;
  // Tokens of a turn's text, as they come out where it follows a reply.
  absl::StatusOr<std::vector<TokenId>> TurnTokens(const std::string& turn_text) const;
  // Openings without the sink token and the tokenizer's BOS. `system` is defused.
  absl::StatusOr<SessionOpening> OpeningWithoutTurns(std::optional<std::string> system) const;
  // REQUIRES: first turns are usual.
  absl::StatusOr<std::vector<TokenId>> OpeningTokens(const std::optional<std::string>& system) const;
  absl::StatusOr<std::vector<TokenId>> HistoryTokens(absl::Span<const Message> history) const;
  // The sink token, and BOS where it is missing.
  void PutFirstTokens(std::vector<TokenId>& opening) const;
  bool BeginsWithBos(absl::Span<const TokenId> tokens) const;
  absl::Time Now() const;

  // Constant after Create.
  const ChatTemplateOptions options_;
  const Tokenizer* const tokenizer_;
  const std::unique_ptr<const text_internal::TurnFormat> format_;
  std::vector<TokenId> answered_tokens_;  // the stand-in history
  std::vector<TokenId> reply_end_;
  std::vector<TokenId> turn_controls_;  // the control tokens of every turn, in order
  bool turns_begin_with_bos_ = false;
  // Null where first turns are usual; the second one also where the template takes no system message.
  std::unique_ptr<const text_internal::FirstTurnSplit> first_turn_;
  std::unique_ptr<const text_internal::FirstTurnSplit> first_turn_after_system_;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TEXT_CHAT_TEMPLATE_H_
