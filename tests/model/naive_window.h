// NaiveWindow: the oracle for SinkWindow, written from the definitions of design section 2 alone and slow. It keeps,
// for every slot, which token was written there last, so that it also knows which tokens can really still be read.

#ifndef PERENNIAL_TESTS_MODEL_NAIVE_WINDOW_H_
#define PERENNIAL_TESTS_MODEL_NAIVE_WINDOW_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/sink_window.h"

namespace perennial {

// A set of tokens below 64, as bits: worlds are small.
using TokenSet = uint64_t;
inline constexpr int64_t kMaxTokens = 64;
constexpr TokenSet Only(int64_t t) { return TokenSet{1} << t; }

class NaiveWindow {
 public:
  NaiveWindow(const CacheShape& shape, EvictionPolicy policy) : shape_(shape), policy_(policy), b_(shape.sink_tokens) {
    slots_.assign(static_cast<size_t>(shape.capacity()), -1);
    // Sinks in order, then past the notes, then round and round.
    int32_t slot = 0;
    for (int64_t t = 0; t < kMaxTokens; ++t) {
      if (t == shape.sink_tokens || slot == shape.capacity()) slot = shape.sink_tokens + shape.note_tokens;
      slot_of_[t] = slot++;
    }
  }

  int64_t num_tokens() const { return num_tokens_; }
  int64_t horizon() const { return b_; }
  int32_t slot_of(int64_t t) const { return slot_of_[t]; }

  void BeginTurn() { starts_ |= Only(num_tokens_); }

  int64_t FeedOne() {
    const int64_t t = num_tokens_++;
    const int64_t w = shape_.window_tokens;
    if (t >= shape_.sink_tokens && t - w + 1 > b_) {
      int64_t next = t - w + 1;
      if (policy_ == EvictionPolicy::kTurnWise) {
        int64_t s = t - w + 1;
        while (s <= t && (starts_ & Only(s)) == 0) ++s;
        // The first start decides; "at least half" in fractions.
        if (s <= t && static_cast<double>(t - s + 1) >= static_cast<double>(w) / 2.0) next = s;
      }
      b_ = next;
    }
    slots_[static_cast<size_t>(slot_of_[t])] = t;
    highest_written_ = std::max(highest_written_, t);
    return b_;
  }

  // What the newest token sees.
  TokenSet VisibleToNewest() const {
    TokenSet visible = 0;
    for (int64_t u = 0; u < num_tokens_; ++u) {
      if (u < shape_.sink_tokens || u >= b_) visible |= Only(u);
    }
    return visible;
  }

  // Tokens of the stream that lie in a slot of their own and that the policy has not given up.
  TokenSet Readable() const {
    TokenSet readable = 0;
    for (int64_t u : slots_) {
      if (u >= 0 && u < num_tokens_ && (u < shape_.sink_tokens || u >= b_)) readable |= Only(u);
    }
    return readable;
  }

  bool CanRewind(int64_t r) const { return r <= num_tokens_ && r >= 0 && (b_ <= r || r <= shape_.sink_tokens); }

  // Rewind and Undo: they differ in what they require only.
  void GoBack(int64_t r) {
    num_tokens_ = r;
    starts_ &= Only(r) - 1;
    if (r <= shape_.sink_tokens) {
      b_ = shape_.sink_tokens;
    } else {
      b_ = std::min(r, std::max(b_, highest_written_ - shape_.window_tokens + 1));
    }
    if (b_ >= r) highest_written_ = r - 1;  // nothing windowed is left that could be overwritten
  }

 private:
  CacheShape shape_;
  EvictionPolicy policy_;
  int64_t num_tokens_ = 0;
  int64_t b_;
  int64_t highest_written_ = -1;
  TokenSet starts_ = 0;
  int32_t slot_of_[kMaxTokens];
  std::vector<int64_t> slots_;  // the token that was written last, by slot; -1 none
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_NAIVE_WINDOW_H_
