// Which turn a token of a session's stream belongs to, as far as that can still matter.

#ifndef PERENNIAL_SERVER_ENGINE_TURN_STARTS_H_
#define PERENNIAL_SERVER_ENGINE_TURN_STARTS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace perennial {

// Turn 0 is the opening, turn k > 0 begins with its own first token. Bounded by its user: after ForgetBefore(horizon)
// at most one start per windowed token is kept, and one more. Not thread-safe.
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

  // Says that nobody will ask about tokens before `token` any more.
  void ForgetBefore(int64_t token);

  // The stream went back to its first `num_tokens` tokens.
  void Rewind(int64_t num_tokens);

  size_t size() const { return starts_.size(); }

 private:
  struct Start {
    int64_t turn;
    int64_t token;
  };
  std::deque<Start> starts_;  // ascending in both
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_TURN_STARTS_H_
