// A session's notes as they shall be: the text that its client wrote and the turns that it pinned.

#ifndef PERENNIAL_SERVER_ENGINE_NOTE_BOOK_H_
#define PERENNIAL_SERVER_ENGINE_NOTE_BOOK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/token.h"
#include "server/engine/session.h"

namespace perennial {

// A value; not thread-safe. Keeps at most `budget_tokens` token ids, and the text. Every change makes it due: the cache
// does not yet hold what it says.
class NoteBook {
 public:
  explicit NoteBook(int32_t budget_tokens) : budget_tokens_(budget_tokens) {}

  // Replaces the text, and lets go of the pinned turns unless they are to be kept. INVALID_FIELD with the numbers, and
  // no change, if that takes more than the budget.
  absl::Status Write(NotesSpec notes);

  // Adds a turn's tokens; no change if it is pinned already. INVALID_FIELD as above.
  absl::Status Pin(int64_t turn, std::vector<TokenId> tokens);

  // What goes into the cache: the text's tokens, then those of the pinned turns, oldest first.
  std::vector<TokenId> Tokens() const;
  int32_t num_tokens() const;

  SessionNotes Describe() const;

  // The cache's notes are not these yet; or not any more, since the sinks that they have seen were taken back.
  bool due() const { return due_; }
  void WasWritten() { due_ = false; }
  void SinksWereTakenBack() { due_ = due_ || num_tokens() > 0; }

 private:
  struct PinnedTurn {
    int64_t turn;
    std::vector<TokenId> tokens;
  };

  int64_t PinnedTokens() const;

  int32_t budget_tokens_;
  std::string text_;
  std::vector<TokenId> text_tokens_;
  std::vector<PinnedTurn> pinned_;  // by turn
  bool due_ = false;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_NOTE_BOOK_H_
