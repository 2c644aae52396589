// A session as the engine keeps it.

#ifndef PERENNIAL_SERVER_ENGINE_LIVE_SESSION_H_
#define PERENNIAL_SERVER_ENGINE_LIVE_SESSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/model_runner.h"
#include "model/sink_window.h"
#include "model/text/user_turn.h"
#include "model/token.h"
#include "server/engine/cache_slices.h"
#include "server/engine/note_book.h"
#include "server/engine/recent_tokens.h"
#include "server/engine/session.h"
#include "server/engine/transcript.h"
#include "server/engine/turn_starts.h"

namespace perennial {

// A session's stream, as far as it is kept: what a fork copies, and what a rewind takes back. A value. Its memory is
// constant in the length of the stream: at most max_opening_tokens unfed tokens, a window and RecentTokens::kMaxTokens
// of recent ones, one turn start per windowed token, transcript_bytes of text.
//
// Between turns stream_tokens == window.num_tokens() + unfed.size(). A running turn copies the unfed tokens and takes
// them over with its first sampled token; until then it can be undone and they are still here.
struct SessionStream {
  SessionStream(const SessionSpec& spec, Transcript empty_transcript);

  // Where the stream goes back to so that turn `to_turn` (or, where it is none of the stream's, the last one before it)
  // becomes its last: the number of tokens that stay. stream_tokens if no later turn is in it. BEYOND_HORIZON, naming
  // the oldest turn that is possible, if that point has left the window. `to_turn` 0: only the opening stays.
  absl::StatusOr<int64_t> RewindPoint(int64_t to_turn) const;

  // True if turn `turn` has left the window, partly or wholly.
  bool PartlyForgotten(int64_t turn) const;

  // Goes back to the first `num_tokens` tokens, all of them fed. What newer tokens had pushed out of the window does
  // not come back. The cache is the caller's to truncate. REQUIRES: RewindPoint(to_turn) gave it, and no turn runs.
  void Rewind(int64_t num_tokens, int64_t to_turn);

  SinkWindow window;
  std::vector<TokenId> unfed;  // in the stream and not yet run: the opening; after a reply what closes it
  int64_t stream_tokens;       // fed and unfed
  RecentTokens recent;         // of the tokens fed: at least the windowed ones
  TurnStarts turn_starts;
  int64_t reported_horizon;  // end_token of the last TurnEvicted, S before the first
  int64_t noticed_horizon;   // where the last TurnWillEvict saw the horizon go, S before the first
  int64_t turns = 0;         // in the stream: admitted and not undone; 0: the next one follows the opening
  NoteBook notes;            // what the cache's notes are, or will be in the next step
  Transcript transcript;
};

// Owned by the SessionStore, touched by the engine thread only.
struct LiveSession : SessionStream {
  // New: without a cache. `reserved`: the cache memory that it may have, ModelRunner::CacheBytes.
  LiveSession(std::string session_id, SessionSpec spec, Transcript empty_transcript, int64_t reserved,
              bool is_ephemeral, absl::Time now);

  // What the model can read of the stream now.
  SessionMemory Memory() const;

  SessionSummary Describe(absl::Time now) const;

  bool busy() const { return leased || waiting_turns > 0; }
  // A step may write to its cache: it is here, and nobody copies it or is about to.
  bool writable() const { return cache != nullptr && moves == 0 && forks == 0; }
  // Its next turn can be admitted.
  bool admissible() const { return !leased && writable(); }
  // Nobody but the engine knows it: not any more, or, a fork, not yet.
  bool hidden() const { return deleted || unborn; }
  // Something was written to its cache, wherever that is now.
  bool has_slots() const { return cache != nullptr || parked != nullptr; }

  // Constant.
  const std::string id;
  const std::string route;
  const bool ephemeral;  // made for one turn, deleted with its end
  const absl::Time created;
  const FirstTurn first_turn;    // which variant of a message follows the opening
  const int64_t reserved_bytes;  // of cache memory

  // The client's to change.
  absl::Duration idle_timeout;
  Labels labels;

  // Who uses it. `expires` is kept by the SessionStore.
  bool leased = false;        // a turn runs; only that turn touches the stream
  int32_t waiting_turns = 0;  // not yet admitted
  int64_t first_arrival = 0;  // of its oldest waiting turn (TurnQueue)
  bool deleted = false;       // DeleteSession came; its turns are ended in the next Reap
  bool unborn = false;        // a fork whose cache is still being copied
  absl::Time last_used;
  const SessionBudget budget;
  SessionBudget used;  // a running turn's time comes to it at its end
  absl::Time expires = absl::InfiniteFuture();
  // Number of the newest turn that was admitted, 0 before the first. Never goes back, also not when a turn is undone or
  // the stream rewound: numbers are not used twice. A fork goes on from its parent's.
  int64_t last_turn = 0;

  // Where its cache is: in device memory, parked, or (neither) nowhere, because nothing was fed yet. Taken and given up
  // by the CacheSupply.
  std::unique_ptr<KvCache> cache;
  std::unique_ptr<ParkedCache> parked;
  int32_t moves = 0;         // copies from or to it under way: the CacheMover's lease
  int32_t forks = 0;         // to be copied from it: until then nothing may change the stream or the notes
  int32_t failed_parks = 0;  // since the last that did not fail
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_LIVE_SESSION_H_
