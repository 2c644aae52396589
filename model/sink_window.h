// What a token sees: the geometry of a session's cache and the one integer per token that is the whole eviction policy.
//
// A cache is an ordered list of parts, C = S + N + W slots, fixed when the session is created:
//
//     | sinks S | notes N |            window W            |
//
// Token t < S sees tokens 0 … t. Token t >= S sees the whole head (the S sinks and the n <= N note tokens in use,
// P = S + n places) and the windowed tokens b(t) … t, where b(t) is the token's *window begin*. Distances are distances
// inside the cache, as if what was evicted had never been there: the query's place is p(t) = P + t - b(t). Until
// something is evicted this is plain attention. Method: StreamingLLM (Xiao et al., arXiv 2309.17453).
//
// Everything here is a value: no locks, no allocation beyond the turn starts kept, usable from any one thread at a
// time.

#ifndef PERENNIAL_MODEL_SINK_WINDOW_H_
#define PERENNIAL_MODEL_SINK_WINDOW_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/status/status.h"

namespace perennial {

// The fixed sizes of one cache, in slots (rows of cache memory; one token each).
struct CacheShape {
  int32_t sink_tokens = 4;       // S >= 0: the pinned head of the stream
  int32_t note_tokens = 0;       // N >= 0: budget of the part that the client may rewrite
  int32_t window_tokens = 1020;  // W >= 1: newest tokens kept, the newest included

  int32_t capacity() const { return sink_tokens + note_tokens + window_tokens; }  // C
  bool operator==(const CacheShape&) const = default;
};

// INVALID_ARGUMENT naming the field, its value and its limit, if a size is negative, W < 1, or C exceeds
// `max_capacity`.
absl::Status ValidateCacheShape(const CacheShape& shape, int32_t max_capacity);

// The slot of stream token `t`: t itself for a sink, else its place in the window's ring. Slots are stable: a token's
// row never moves. Note place i (0-based) is slot S + i.
int32_t SlotOf(const CacheShape& shape, int64_t t);

// p(t): the query's place in the cache, 0 … C - 1. `num_notes` is n, the note tokens in use.
int32_t PlaceOf(const CacheShape& shape, int32_t num_notes, int64_t t, int64_t window_begin);

enum class EvictionPolicy {
  kTokenWise,  // the paper's: the oldest token goes when a new one needs its slot
  kTurnWise,   // the window begins at a turn start where that keeps at least half of the window
};

// The eviction state of one session: how many tokens its stream has and where its window begins. The engine owns one
// per session and hands the b(t) it computes to the ModelRunner, which only obeys.
class SinkWindow {
 public:
  // REQUIRES: ValidateCacheShape(shape) is OK.
  SinkWindow(const CacheShape& shape, EvictionPolicy policy);

  const CacheShape& shape() const { return shape_; }
  EvictionPolicy policy() const { return policy_; }

  // Tokens fed so far; the index of the next one.
  int64_t num_tokens() const { return num_tokens_; }

  // b of the newest token, S while there is none past the sinks. Never decreases except when a rewind empties the
  // window (Rewind below). This is the session's horizon: tokens S … horizon() - 1 are forgotten.
  int64_t horizon() const { return window_begin_; }

  // Tokens that were in the stream and can no longer be read: horizon() - S.
  int64_t forgotten_tokens() const { return window_begin_ - shape_.sink_tokens; }

  // Tokens that the next token could read: sinks fed plus window fed, notes not counted.
  int32_t visible_tokens() const;

  // horizon() as it will be after `count` >= 0 more tokens, if no turn begins meanwhile. Costs a step per token that
  // evicts, nothing while there is room.
  int64_t HorizonAfter(int64_t count) const;

  // Says that the next token to be fed starts a turn: turn-wise eviction may begin the window there. Turn starts are
  // kept while they can matter (at most W of them).
  void BeginTurn();

  // Feeds `count` tokens: returns b(t) for each, oldest first, and moves num_tokens() and horizon() on.
  std::vector<int64_t> Advance(int64_t count);

  // True if the stream can go back to its first `r` tokens with nothing lost that horizon() still shows:
  // 0 <= r <= num_tokens() and (horizon() <= r or r <= S).
  bool CanRewind(int64_t r) const;

  // Goes back to the first `r` tokens. REQUIRES: CanRewind(r). Window rows that newer tokens had overwritten are gone:
  // afterwards horizon() >= highest index ever written - W + 1 (but at most r). For r <= S the window is empty and
  // horizon() is S.
  void Rewind(int64_t r);

  // Like Rewind, for any 0 <= r <= num_tokens(): used to undo a turn that ended before its first token. If the undone
  // tokens had pushed the horizon past r, everything in the window is lost and the horizon is max(r, S). Returns the
  // number of tokens below r that could be read before those `num_tokens() - r` tokens were fed and cannot be any more,
  // given the horizon `before` at that time.
  int64_t Undo(int64_t r, int64_t before);

 private:
  // b(t), given that of the token before. `first_start`: of turn_starts_, those before it lie before every window to
  // come; moved on.
  int64_t NextWindowBegin(int64_t t, int64_t window_begin, size_t& first_start) const;

  CacheShape shape_;
  EvictionPolicy policy_;
  int64_t num_tokens_ = 0;
  int64_t window_begin_;
  std::deque<int64_t> turn_starts_;  // ascending, all >= window_begin_ of some token still to come
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_SINK_WINDOW_H_
