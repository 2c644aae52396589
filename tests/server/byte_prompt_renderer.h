// A vocabulary and a chat template without a model: every byte is a token, and a few control tokens mark the turns. For
// the servers of tests that run on FakeModelRunner.

#ifndef PERENNIAL_TESTS_SERVER_BYTE_PROMPT_RENDERER_H_
#define PERENNIAL_TESTS_SERVER_BYTE_PROMPT_RENDERER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/token.h"
#include "server/prompt_renderer.h"

namespace perennial {

// Tokens 0 … 255 are bytes.
inline constexpr TokenId kByteBos = 256;
inline constexpr TokenId kByteUser = 257;       // begins a user's message
inline constexpr TokenId kByteAssistant = 258;  // begins a reply
inline constexpr TokenId kByteEnd = 259;        // ends either
inline constexpr int32_t kByteVocabSize = 260;

class BytePromptRenderer : public PromptRenderer {
 public:
  // BOS, then each message between its beginning and END; a system message stands alone. Refuses a history whose last
  // message is a user's, as a real template's Opening does.
  absl::StatusOr<SessionOpening> Opening(absl::Span<const Message> history) const override {
    std::vector<TokenId> tokens = {kByteBos};
    int32_t head_tokens = 1;
    for (const Message& message : history) {
      if (message.role == Role::kUser) tokens.push_back(kByteUser);
      if (message.role == Role::kAssistant) tokens.push_back(kByteAssistant);
      Append(message.text, tokens);
      tokens.push_back(kByteEnd);
      if (message.role == Role::kSystem) head_tokens = static_cast<int32_t>(tokens.size());
    }
    if (!history.empty() && history.back().role == Role::kUser) {
      return absl::InvalidArgumentError("the last message must not be a user's");
    }
    return SessionOpening{std::move(tokens), FirstTurn::kUsual, head_tokens};
  }

  absl::StatusOr<UserTurn> Turn(absl::string_view user_text) const override {
    if (absl::StrContains(user_text, kUnrenderable)) return absl::InvalidArgumentError("the template raised: no");
    UserTurn turn;
    turn.tokens.push_back(kByteUser);
    Append(user_text, turn.tokens);
    turn.tokens.push_back(kByteEnd);
    turn.tokens.push_back(kByteAssistant);
    return turn;
  }

  // As in an opening, without the last END.
  absl::StatusOr<UserTurn> Continuation(absl::Span<const Message> messages) const override {
    if (messages.empty() || messages.front().role != Role::kUser) {
      return absl::InvalidArgumentError("the first message must be a user's");
    }
    absl::StatusOr<SessionOpening> opening = Opening(messages);
    if (!opening.ok()) return opening.status();
    UserTurn turn;
    turn.tokens.assign(opening->tokens.begin() + 1, opening->tokens.end() - 1);
    return turn;
  }

  // As a system message.
  absl::StatusOr<std::vector<TokenId>> Notes(absl::string_view text) const override {
    if (absl::StrContains(text, kUnrenderable)) return absl::InvalidArgumentError("the template raised: no");
    std::vector<TokenId> tokens;
    Append(text, tokens);
    if (!text.empty()) tokens.push_back(kByteEnd);
    return tokens;
  }

  // Of schemas it knows none.
  absl::StatusOr<std::unique_ptr<TokenConstraint>> Constraint(absl::string_view /*json_schema*/) const override {
    return absl::InvalidArgumentError("no schema is understood here");
  }

  absl::StatusOr<std::vector<TokenId>> Text(absl::string_view text) const override {
    std::vector<TokenId> tokens;
    Append(text, tokens);
    return tokens;
  }

  // For EngineModel::token_bytes; control tokens have none.
  static absl::string_view TokenBytes(TokenId token) {
    static const std::array<char, 256>* const bytes = [] {
      auto* all = new std::array<char, 256>;
      for (size_t i = 0; i < all->size(); ++i) (*all)[i] = static_cast<char>(i);
      return all;
    }();
    if (token < 0 || token > 255) return "";
    return absl::string_view(&(*bytes)[static_cast<size_t>(token)], 1);
  }

  // A text with this in it cannot be rendered.
  static constexpr absl::string_view kUnrenderable = "\x01";

 private:
  static void Append(absl::string_view text, std::vector<TokenId>& tokens) {
    for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  }
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SERVER_BYTE_PROMPT_RENDERER_H_
