// A session as the engine's callers see it.

#ifndef PERENNIAL_SERVER_ENGINE_SESSION_H_
#define PERENNIAL_SERVER_ENGINE_SESSION_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "model/sink_window.h"
#include "model/text/user_turn.h"
#include "model/token.h"
#include "server/engine/request_tag.h"

namespace perennial {

using Labels = std::map<std::string, std::string>;

// How much a session may use in its whole life, or has used. 0 in a budget: without limit.
struct SessionBudget {
  int64_t generated_tokens = 0;  // sampled, by turns that were not undone
  absl::Duration time;           // from admission to end of its turns, undone ones included
  bool operator==(const SessionBudget&) const = default;
};

// What a session is made from.
struct SessionSpec {
  CacheShape shape;
  EvictionPolicy eviction = EvictionPolicy::kTokenWise;
  std::vector<TokenId> opening;              // BOS, system prompt, given history; fed with the first turn
  FirstTurn first_turn = FirstTurn::kUsual;  // which variant of a message follows the opening
  absl::Duration idle_timeout;               // deleted after this long without a turn
  std::string route;                         // the client's; a proxy hashes it; grants nothing
  Labels labels;
  RequestTag request = {};  // a retry is given the session that was made before; not for ephemeral ones
  SessionBudget budget = {};
};

// How much of the session's stream the model can read. Tokens are counted over the whole stream, unfed ones included.
struct SessionMemory {
  int64_t stream_tokens = 0;     // fed and unfed
  int64_t visible_tokens = 0;    // can be read: sinks and window
  int64_t forgotten_tokens = 0;  // left the window for ever
  int64_t horizon_token = 0;     // oldest windowed token still visible
  int64_t horizon_turn = 0;      // the turn it belongs to; 0: the opening
  int32_t sink_tokens = 0;       // S
  int32_t window_tokens = 0;     // W
  int32_t window_tokens_used = 0;
  int32_t note_tokens = 0;  // in use; they can always be read
};

// The part of a session's cache that its client can rewrite.
struct SessionNotes {
  std::string text;                   // as SetNotes got it
  std::vector<int64_t> pinned_turns;  // that PinTurn added, oldest first
  int32_t tokens = 0;                 // in use
  int32_t budget_tokens = 0;          // N
};

// New notes.
struct NotesSpec {
  std::string text;                // kept for whoever asks
  std::vector<TokenId> tokens;     // what the model reads
  bool keep_pinned_turns = false;  // else they go
};

enum class SessionState {
  kIdle,
  kWaiting,  // a turn waits to be admitted
  kRunning,  // a turn runs
};

struct SessionSummary {
  std::string id;  // 128 random bits, 32 hexadecimal digits
  SessionState state = SessionState::kIdle;
  absl::Time created;
  absl::Time last_used;
  absl::Time expires;  // if no turn comes
  absl::Duration idle_timeout;
  std::string route;
  Labels labels;
  int64_t turns = 0;        // in the stream: admitted and not undone
  int64_t last_turn = 0;    // number of the newest turn that was admitted; never goes back
  int64_t cache_bytes = 0;  // cache memory that it reserves
  bool parked = false;      // its cache is in host memory; the next turn brings it back
  SessionMemory memory;
  EvictionPolicy eviction = EvictionPolicy::kTokenWise;
  SessionNotes notes;
  SessionBudget budget = {};  // with the server's limits
  SessionBudget used;         // by turns that have ended; tokens by the running one too
};

// Unset fields stay as they are.
struct SessionUpdate {
  std::optional<absl::Duration> idle_timeout;
  std::optional<Labels> labels;  // replaces all
};

// Back to the end of an earlier turn.
struct RewindSpec {
  std::string session_id;
  int64_t to_turn = 0;                   // the last turn that stays, 0 … last_turn; 0: only the opening stays
  std::optional<int64_t> expected_turn;  // the session's last turn as the caller knows it; unset: not checked
  RequestTag request = {};               // a retry changes nothing
};

// A copy of a session.
struct ForkSpec {
  std::string session_id;
  std::optional<Labels> labels;  // unset: the parent's
  RequestTag request = {};       // a retry is given the fork that was made before
};

// One page of a listing, ordered by session id.
struct SessionPage {
  std::vector<SessionSummary> sessions;
  std::string next_page_token;  // empty: the last page
};

struct ListSpec {
  int32_t page_size = 0;  // 1 … EngineOptions::max_page_size
  std::string page_token;
  std::optional<SessionState> state;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_SESSION_H_
