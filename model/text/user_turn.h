// What a chat template makes of a session's start and of a user's message, in tokens, and how the two fit together.
// Apart from ChatTemplate, so that the engine knows these types without linking what renders and tokenizes.

#ifndef PERENNIAL_MODEL_TEXT_USER_TURN_H_
#define PERENNIAL_MODEL_TEXT_USER_TURN_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "model/token.h"

namespace perennial {

// What the first turn after an opening is. Most templates write a session's first user message like every other one.
// Some (Llama 2, Mistral) put the system prompt inside it: then the opening ends where the user's text begins, within
// the message, so that the system prompt is at the stream's head, where the sinks are.
enum class FirstTurn {
  kUsual,             // a turn like any other: UserTurn::tokens
  kOpens,             // the rest of a first message without a system prompt: UserTurn::tokens_if_first
  kOpensAfterSystem,  // the rest of one that begins with it: UserTurn::tokens_if_first_after_system
};

// What a session starts with.
struct SessionOpening {
  // The model's sink token if it has one, BOS once, system prompt, given history: all before the first user's text.
  std::vector<TokenId> tokens;
  FirstTurn first_turn = FirstTurn::kUsual;
  // Of `tokens`, the first ones: sink token, BOS and the system prompt (the session's, or the template's own), without
  // the rest of the history. What a session pins.
  int32_t head_tokens = 0;
};

// One user message with the header of the reply after it, for whatever may stand before it. The variants differ by more
// than what is left out: "[INST] Hi" and "<</SYS>>\n\nHi" may split "Hi" into other tokens.
struct UserTurn {
  std::vector<TokenId> tokens;  // after a reply, or after an opening of kUsual
  // Set where the template's openings can ask for them.
  std::optional<std::vector<TokenId>> tokens_if_first;
  std::optional<std::vector<TokenId>> tokens_if_first_after_system;
};

// The variant of `turn` that follows an opening of `first_turn`; its usual tokens where it has no such variant.
inline const std::vector<TokenId>& FirstTurnTokens(const UserTurn& turn, FirstTurn first_turn) {
  switch (first_turn) {
    case FirstTurn::kUsual:
      break;
    case FirstTurn::kOpens:
      if (turn.tokens_if_first.has_value()) return *turn.tokens_if_first;
      break;
    case FirstTurn::kOpensAfterSystem:
      if (turn.tokens_if_first_after_system.has_value()) return *turn.tokens_if_first_after_system;
      break;
  }
  return turn.tokens;
}

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TEXT_USER_TURN_H_
