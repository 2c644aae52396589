// What a session must say, computed without the engine: one token at a time, on a fake runner of its own, with b(t)
// written from design section 2 alone. No batches, chunks, queues, parked caches or other sessions; so the engine's
// replies may not depend on them either.

#ifndef PERENNIAL_TESTS_SERVER_ENGINE_STREAM_ORACLE_H_
#define PERENNIAL_TESTS_SERVER_ENGINE_STREAM_ORACLE_H_

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/turn.h"
#include "tests/fake_model_runner.h"

namespace perennial {

class StreamOracle {
 public:
  struct Reply {
    std::string text;
    FinishReason reason = FinishReason::kEndOfTurn;
    int64_t generated = 0;
    bool cut = false;  // by `cut_after`
  };

  // A session; `spec.opening` is not yet fed. Oracles may share a runner, which must have room for all their caches.
  StreamOracle(std::shared_ptr<FakeModelRunner> runner, const SessionSpec& spec, std::vector<TokenId> end_tokens,
               std::vector<TokenId> reply_end);
  StreamOracle(const FakeScript& script, const SessionSpec& spec, std::vector<TokenId> end_tokens,
               std::vector<TokenId> reply_end);

  // A session with a copy of the stream and the cache.
  std::unique_ptr<StreamOracle> Fork();

  // The reply to `turn`, cut after `cut_after` sampled tokens (a cancel there). Handles at most one stop string.
  Reply Say(const TurnSpec& turn, int64_t cut_after = std::numeric_limits<int64_t>::max());

  // `turn` was undone after `fed` of the tokens that it had to feed.
  void Undo(const TurnSpec& turn, int64_t fed);

  // Back to the end of the stream's turn number `turns`, counted from 1 without gaps; 0: of the opening.
  void Rewind(int64_t turns);

  // The session's notes became `tokens` when `at` tokens of its stream were in the cache: past the sinks, and not
  // before what was fed when it was last asked.
  void WriteNotes(int64_t at, std::vector<TokenId> tokens);

  // Tokens in the stream, fed and unfed.
  int64_t stream_tokens() const { return static_cast<int64_t>(stream_.size()); }
  int64_t num_turns() const { return static_cast<int64_t>(turn_starts_.size()); }
  // The oldest windowed token that can still be read, S while there is none.
  int64_t horizon() const { return window_begin_; }
  // The stream's turn number `turn`, counted from 1 without gaps: its message, its reply and what closes that.
  std::vector<TokenId> TokensOfTurn(int64_t turn) const;

 private:
  StreamOracle(const StreamOracle& other);

  // Feeds token number `index` of `stream` and returns its logits.
  absl::Span<const float> Feed(const std::vector<TokenId>& stream, int64_t index);

  // b(t) of the next token, t == num_fed_ so far.
  int64_t NextWindowBegin(int64_t t) const;

  // The cache and its window go back to the first `num_tokens` tokens.
  void GoBack(int64_t num_tokens);

  // Writes the notes whose time has come, `num_fed` tokens being in the cache.
  void WriteNotesAt(int64_t num_fed);

  // What `turn` adds to the stream now.
  const std::vector<TokenId>& TokensOf(const TurnSpec& turn) const {
    return FirstTurnTokens(turn.message, turn_starts_.empty() ? first_turn_ : FirstTurn::kUsual);
  }

  const std::shared_ptr<FakeModelRunner> runner_;
  const CacheShape shape_;
  const EvictionPolicy eviction_;
  const std::vector<TokenId> end_tokens_;
  const std::vector<TokenId> reply_end_;
  const FirstTurn first_turn_;
  std::unique_ptr<KvCache> cache_;
  std::vector<TokenId> stream_;  // all of it, from the start
  int64_t num_fed_ = 0;
  std::vector<int64_t> turn_starts_;  // [turns in the stream]: the index of each turn's first own token, ascending
  int64_t window_begin_;              // b of the newest token
  int64_t highest_written_ = -1;      // rows of tokens before this one less W were overwritten
  std::deque<std::pair<int64_t, std::vector<TokenId>>> notes_;  // not yet written: when, and what
  StepOutput output_;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SERVER_ENGINE_STREAM_ORACLE_H_
