// A first user message that begins in the opening: where the template's own text ends and the user's begins, in tokens.
// Private to model/text.
//
//   render([system, U], reply header)  =  head of the system message  +  tail of U
//                 "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n"  +  "Hi [/INST]"
//
// The head is the longest text that is the same for probe texts that begin differently. Its last bytes may become one
// token with the user's first ones ("[INST] Hi": the space belongs to the word); those bytes, the lead, go with the
// tail:
//
//   opening of a system message  =  tokens of (head without lead)      the longest token prefix common to the probes
//   remainder of U               =  the whole rendering's tokens after the opening's
//
// The lead is learnt, for all system messages: opening and remainder are made at different times, by threads that do
// not know the other's text, and together they must be the whole rendering's text. They are its tokens too, unless the
// system message's last or the user's first characters merge with the template's in a way that no probe's do
// ("\n\n\n"): then each part has the tokens that it has alone.

#ifndef PERENNIAL_MODEL_TEXT_FIRST_TURN_SPLIT_H_
#define PERENNIAL_MODEL_TEXT_FIRST_TURN_SPLIT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/text/template_rendering.h"
#include "model/text/tokenizer.h"
#include "model/text/turn_format.h"
#include "model/token.h"

namespace perennial::text_internal {

// Immutable after Learn; thread-safe. All message texts given to it are defused already.
class FirstTurnSplit {
 public:
  // For first messages after a system message, or for those without one. INVALID_ARGUMENT, saying which probe failed
  // and what to do, if the tail or its tokens depend on the system message or on the date. `format` and `tokenizer`
  // must outlive the split. REQUIRES: !after_system or format.system_support() is OK.
  static absl::StatusOr<FirstTurnSplit> Learn(const TurnFormat& format, const Tokenizer& tokenizer, bool after_system,
                                              absl::Time now);

  // What stands before the user's text, without a BOS of the tokenizer's. `system` is set if and only if the split was
  // learnt after one. INVALID_ARGUMENT where the template raises, or writes the tail or control tokens differently.
  absl::StatusOr<std::vector<TokenId>> Opening(const std::optional<std::string>& system, absl::Time now) const;

  // The user's text and what follows it. INVALID_ARGUMENT where the template raises, or writes the head or control
  // tokens differently.
  absl::StatusOr<std::vector<TokenId>> Remainder(const std::string& user) const;

  // The same for messages that are given with their replies: user and assistant in turn, the last one an assistant's,
  // without what closes it. Their control tokens are the caller's to check.
  absl::StatusOr<std::vector<TokenId>> Continuation(absl::Span<const TemplateMessage> messages) const;

 private:
  // Tokens of a rendering without its opening.
  absl::StatusOr<std::vector<TokenId>> TokensAfterOpening(absl::string_view rendering) const;

  FirstTurnSplit(const TurnFormat* format, const Tokenizer* tokenizer) : format_(format), tokenizer_(tokenizer) {}

  // Constant after Learn.
  const TurnFormat* format_;
  const Tokenizer* tokenizer_;
  absl::Time learnt_at_;
  std::optional<std::string> stand_in_system_;  // that remainders are rendered after
  std::string head_;                            // of the stand-in
  std::string lead_;                            // its last bytes
  std::string question_tail_;                   // of TurnFormat::kQuestion
  std::vector<TokenId> opening_;                // of the stand-in
  std::vector<TokenId> opening_controls_;       // the control tokens of every opening, in order …
  std::vector<TokenId> remainder_controls_;     // … and of every remainder
};

}  // namespace perennial::text_internal

#endif  // PERENNIAL_MODEL_TEXT_FIRST_TURN_SPLIT_H_
