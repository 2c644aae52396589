// Which turn a token of a session's stream belongs to, and where a turn begins, as far as that can still matter.

#ifndef PERENNIAL_SERVER_ENGINE_TURN_STARTS_H_
#define PERENNIAL_SERVER_ENGINE_TURN_STARTS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace perennial {

// Turn 0 is the opening, turn k > 0 begins with its own first token. Turns that were undone or rewound leave gaps in
// the numbers. Bounded by its user: after ForgetBefore(horizon) at most one start per windowed token is kept, and two
// more. A value. Not thread-safe.
class TurnStarts {
 public:
  // Turn `turn` begins at `token`. REQUIRES: both greater than all before.
  void Add(int64_t turn, int64_t token);

  // Tokens begin … end - 1 are a turn's; no end if it is the last one.
  struct Range {
    int64_t begin = 0;
    std::optional<int64_t> end;
  };
  // None if the turn's start is not kept.
  std::optional<Range> RangeOf(int64_t turn) const;

  // The first start at or after `token`; none if no turn that is kept begins there.
  std::optional<int64_t> StartFrom(int64_t token) const;

  // The turn of `token`; 0 if it lies before every start that is kept.
  int64_t TurnOf(int64_t token) const;

  // Where the first turn after turn `turn` begins: what the stream goes back to if `turn` is to be its last. None if
  // that start was forgotten, or if there is no later turn (newest() <= turn).
  std::optional<int64_t> StartAfter(int64_t turn) const;

  // The oldest turn after which a turn begins at or after `token`; newest() if none does.
  int64_t OldestBefore(int64_t token) const;

  // Number of the stream's last turn; 0: none.
  int64_t newest() const { return starts_.empty() ? newest_forgotten_ : starts_.back().turn; }

  // Turns in the stream, forgotten ones too.
  int64_t num_turns() const { return num_forgotten_ + static_cast<int64_t>(starts_.size()); }

  // Says that nobody will ask about tokens before `token` any more. The start of the stream's first turn stays known:
  // the end of an opening that is pinned can be gone back to for ever.
  void ForgetBefore(int64_t token);

  // The stream went back to its first `num_tokens` tokens.
  void Rewind(int64_t num_tokens);

  size_t size() const { return starts_.size(); }

 private:
  struct Start {
    int64_t turn;
    int64_t token;
  };
  std::deque<Start> starts_;      // ascending in both
  std::optional<Start> first_;    // of the stream
  int64_t num_forgotten_ = 0;     // starts that were in starts_
  int64_t newest_forgotten_ = 0;  // the last one's turn
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_TURN_STARTS_H_
