// What a session must say, computed without the engine: one token at a time, on a fake runner of its own, with b(t)
// from design section 2 in one line. No batches, chunks, queues or other sessions; so the engine's replies may not
// depend on them either.

#ifndef PERENNIAL_TESTS_SERVER_ENGINE_REPLY_ORACLE_H_
#define PERENNIAL_TESTS_SERVER_ENGINE_REPLY_ORACLE_H_

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

class ReplyOracle {
 public:
  struct Reply {
    std::string text;
    FinishReason reason = FinishReason::kEndOfTurn;
    int64_t generated = 0;
    bool cut = false;  // by `cut_after`
  };

  // A session: token-wise eviction, `spec.opening` not yet fed.
  ReplyOracle(const FakeScript& script, const SessionSpec& spec, std::vector<TokenId> end_tokens,
              std::vector<TokenId> reply_end);

  // The reply to `turn`, cut after `cut_after` sampled tokens (a cancel there). Handles at most one stop string.
  Reply Say(const TurnSpec& turn, int64_t cut_after = std::numeric_limits<int64_t>::max());

  // The session's notes became `tokens` when `at` tokens of its stream were in the cache: past the sinks, and not
  // before what was fed when it was last asked.
  void WriteNotes(int64_t at, std::vector<TokenId> tokens);

  // `turn` was undone after `fed` of the tokens that it had to feed.
  void Undo(const TurnSpec& turn, int64_t fed);

  // Back to the end of the stream's turn number `turns`, counted from 1 without gaps; 0: of the opening.
  void Rewind(int64_t turns);

  // Another session in the same state.
  std::unique_ptr<ReplyOracle> Fork() const;

  // Tokens in the stream, fed and unfed.
  int64_t stream_tokens() const { return static_cast<int64_t>(stream_.size()); }

 private:
  // Feeds token number `index` of `stream` and returns its logits.
  absl::Span<const float> Feed(const std::vector<TokenId>& stream, int64_t index);

  // Writes the notes whose time has come, `num_fed` tokens being in the cache.
  void WriteNotesAt(int64_t num_fed);

  // What `turn` adds to the stream now.
  const std::vector<TokenId>& TokensOf(const TurnSpec& turn) const {
    return FirstTurnTokens(turn.message, num_turns_ == 0 ? first_turn_ : FirstTurn::kUsual);
  }

  ReplyOracle(const ReplyOracle& other);

  const std::shared_ptr<FakeModelRunner> runner_;  // of all forks
  const CacheShape shape_;
  const std::vector<TokenId> end_tokens_;
  const std::vector<TokenId> reply_end_;
  std::unique_ptr<KvCache> cache_;
  std::vector<TokenId> stream_;  // all of it, from the start
  int64_t num_fed_ = 0;
  const FirstTurn first_turn_;
  int64_t num_turns_ = 0;
  std::vector<int64_t> turn_starts_;  // [num_turns]: tokens in the stream before each turn's own
  int64_t oldest_row_;                // windowed tokens before it were overwritten by a turn that was undone
  std::deque<std::pair<int64_t, std::vector<TokenId>>> notes_;  // not yet written: when, and what
  StepOutput output_;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SERVER_ENGINE_REPLY_ORACLE_H_
