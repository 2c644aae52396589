// Finds out that a reply repeats itself without end: its newest tokens are one stretch over and over again.
//
// For every period p up to kMaxPeriod it knows how many of the newest tokens follow that period:
//   exactly   each token is the one p before it;
//   nearly    all but one in eight are the one p or the one 2p before it, and all but one in four the one p before it.
//             A token that differs once is so counted once: what follows it is compared with what came before it too.
//             Loops in which one token in ten differs, or in which a counter goes up, are found.
//
// The thresholds are such that what people write is not taken for a loop, at the price of noticing one a little late
// (which costs some tokens once, where a false alarm costs a reply):
//   * kMinTokens: longer than any ruled line, row of blanks or "ha ha ha" in ordinary text;
//   * kMinTimes: a refrain, or a line of code, comes three or four times in a row, hardly ever six times;
//   * near-cycles must be four times as long and come more often, because rows of tables and lists look like them: what
//     differs from row to row must be less than an eighth of it for half a thousand tokens.

#ifndef PERENNIAL_MODEL_REPETITION_DETECTOR_H_
#define PERENNIAL_MODEL_REPETITION_DETECTOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "model/token.h"

namespace perennial {

// What was found.
struct Repetition {
  int32_t period_tokens = 0;  // length of the stretch, 1 … RepetitionDetector::kMaxPeriod
  int32_t times = 0;          // how often it came in a row, the first time included
  bool exact = false;         // false: a near-cycle
  int64_t after_tokens = 0;   // tokens added until it was found
  bool operator==(const Repetition&) const = default;
};

// One reply's. Memory (10 KiB) and time per token (some hundred nanoseconds) do not depend on the reply's length. Not
// thread-safe.
class RepetitionDetector {
 public:
  static constexpr int32_t kMaxPeriod = 256;      // tokens: a long paragraph
  static constexpr int32_t kMinTokens = 128;      // of an exact cycle, all its times together
  static constexpr int32_t kMinTimes = 6;         // of an exact cycle
  static constexpr int32_t kMinNearTokens = 512;  // of a near-cycle
  static constexpr int32_t kMinNearTimes = 8;     // of a near-cycle

  // The reply's next token. Returns what is repeated when it is found, with its shortest period; the detector then
  // rests: nothing more is found in this reply.
  std::optional<Repetition> Add(TokenId token);

  // What Add has found, if anything.
  const std::optional<Repetition>& found() const { return found_; }

 private:
  static constexpr size_t kPeriods = static_cast<size_t>(kMaxPeriod);
  using Counts = std::array<int32_t, kPeriods>;  // of period i + 1

  // The newest kPeriods tokens, kNoToken where there are none, in one piece of memory.
  class Tail {
   public:
    Tail() { tokens_.fill(kNoToken); }
    void Add(TokenId token);
    const TokenId* newest_first() const { return tokens_.data() + newest_; }

   private:
    std::array<TokenId, 2 * kPeriods> tokens_;
    size_t newest_ = kPeriods;  // all move to the end when nothing is left before it
  };

  // Counts the token in; true if a threshold is reached.
  bool Count(TokenId token);

  // Counts end at a threshold: the detector rests then.
  Counts exact_{};       // newest tokens in a row that are the one a period before
  Counts near_{};        // length of the nearly periodic stretch at the end
  Counts slack_{};       // of that stretch: its tokens, less eight for each that is neither one nor two periods before
  Counts once_slack_{};  // its tokens, less four for each that is not one period before

  int64_t added_ = 0;
  Tail all_;
  std::array<Tail, 2> by_parity_;  // every second token: token i + 1 there is 2 (i + 1) before the next of that parity
  std::optional<Repetition> found_;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_REPETITION_DETECTOR_H_
