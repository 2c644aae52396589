// A session as the engine keeps it.

#ifndef PERENNIAL_SERVER_ENGINE_LIVE_SESSION_H_
#define PERENNIAL_SERVER_ENGINE_LIVE_SESSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "model/model_runner.h"
#include "model/sink_window.h"
#include "model/text/user_turn.h"
#include "model/token.h"
#include "server/engine/note_book.h"
#include "server/engine/recent_tokens.h"
#include "server/engine/session.h"
#include "server/engine/turn_starts.h"

namespace perennial {

// A session's stream, as far as it is kept: what a fork copies, and what a rewind takes back. A value. Its memory is
// constant in the length of the stream: at most max_opening_tokens unfed tokens, RecentTokens::kMaxTokens recent ones
// or a window full of them, one turn start per windowed token.
//
// Between turns stream_tokens == window.num_tokens() + unfed.size(). A running turn copies the unfed tokens and takes
// them over with its first sampled token; until then it can be undone and they are still here.
struct SessionStream {
  explicit SessionStream(const SessionSpec& spec);

  SinkWindow window;
  std::vector<TokenId> unfed;  // in the stream and not yet run: the opening; after a reply what closes it
  int64_t stream_tokens;       // fed and unfed
  RecentTokens recent;         // of the tokens fed: at least the windowed ones
  TurnStarts turn_starts;
  int64_t reported_horizon;  // end_token of the last TurnEvicted, S before the first
  int64_t noticed_horizon;   // where the last TurnWillEvict saw the horizon go, S before the first
  int64_t turns = 0;         // in the stream: admitted and not undone; 0: the next one follows the opening
  NoteBook notes;            // what the cache's notes are, or will be in the next step
};

// Owned by the SessionStore, touched by the engine thread only.
struct LiveSession : SessionStream {
  LiveSession(std::string session_id, SessionSpec spec, std::unique_ptr<KvCache> new_cache, bool is_ephemeral,
              absl::Time now);

  // What the model can read of the stream now.
  SessionMemory Memory() const;

  SessionSummary Describe(absl::Time now) const;

  bool busy() const { return leased || waiting_turns > 0; }

  // Constant.
  const std::string id;
  const std::string route;
  const bool ephemeral;  // made for one turn, deleted with its end
  const absl::Time created;
  const FirstTurn first_turn;  // which variant of a message follows the opening

  // The client's to change.
  absl::Duration idle_timeout;
  Labels labels;

  // Who uses it. `expires` is kept by the SessionStore.
  bool leased = false;        // a turn runs; only that turn touches the stream
  int32_t waiting_turns = 0;  // not yet admitted
  bool deleted = false;       // DeleteSession came; its turns are ended in the next Reap
  absl::Time last_used;
  absl::Time expires = absl::InfiniteFuture();
  // Number of the newest turn that was admitted, 0 before the first. Never goes back, also not when a turn is undone or
  // the stream rewound: numbers are not used twice. A fork goes on from its parent's.
  int64_t last_turn = 0;

  const std::unique_ptr<KvCache> cache;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_LIVE_SESSION_H_
