#include "server/engine/note_book.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/error.h"

namespace perennial {

absl::Status NoteBook::Write(NotesSpec notes) {
  const int64_t kept = notes.keep_pinned_turns ? PinnedTokens() : 0;
  const auto tokens = static_cast<int64_t>(notes.tokens.size());
  if (tokens + kept > budget_tokens_) {
    return MakeError(
        ErrorReason::kInvalidField,
        absl::StrCat("text: ", tokens, " tokens, with ", kept,
                     " of pinned turns, are more than the session's budget of ", budget_tokens_, " (note_tokens)"));
  }
  text_ = std::move(notes.text);
  text_tokens_ = std::move(notes.tokens);
  if (!notes.keep_pinned_turns) pinned_.clear();
  due_ = true;
  return absl::OkStatus();
}

absl::Status NoteBook::Pin(int64_t turn, std::vector<TokenId> tokens) {
  const auto place = std::lower_bound(pinned_.begin(), pinned_.end(), turn,
                                      [](const PinnedTurn& one, int64_t number) { return one.turn < number; });
  if (place != pinned_.end() && place->turn == turn) return absl::OkStatus();
  if (num_tokens() + static_cast<int64_t>(tokens.size()) > budget_tokens_) {
    return MakeError(ErrorReason::kInvalidField,
                     absl::StrCat("turn: its ", tokens.size(), " tokens, with ", num_tokens(),
                                  " in use, are more than the session's budget of ", budget_tokens_, " (note_tokens)"));
  }
  pinned_.insert(place, {turn, std::move(tokens)});
  due_ = true;
  return absl::OkStatus();
}

std::vector<TokenId> NoteBook::Tokens() const {
  std::vector<TokenId> tokens = text_tokens_;
  for (const PinnedTurn& turn : pinned_) tokens.insert(tokens.end(), turn.tokens.begin(), turn.tokens.end());
  return tokens;
}

int32_t NoteBook::num_tokens() const {
  return static_cast<int32_t>(static_cast<int64_t>(text_tokens_.size()) + PinnedTokens());
}

SessionNotes NoteBook::Describe() const {
  SessionNotes notes;
  notes.text = text_;
  for (const PinnedTurn& turn : pinned_) notes.pinned_turns.push_back(turn.turn);
  notes.tokens = num_tokens();
  notes.budget_tokens = budget_tokens_;
  return notes;
}

int64_t NoteBook::PinnedTokens() const {
  int64_t tokens = 0;
  for (const PinnedTurn& turn : pinned_) tokens += static_cast<int64_t>(turn.tokens.size());
  return tokens;
}

}  // namespace perennial
