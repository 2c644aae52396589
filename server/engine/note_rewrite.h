// Notes on their way into the caches: which sessions' notes are written in the next step, and who is told when they
// are.
//
// A note book changes at once; the cache follows in a step of its own, in place of the session's share of it. Notes see
// the sinks, so they are written when all sinks are in the cache: until then the session's prefill is cut there, and
// whoever wrote them need not wait. Nor do they where the cache is parked or being copied: its next turn begins with
// the notes.

#ifndef PERENNIAL_SERVER_ENGINE_NOTE_REWRITE_H_
#define PERENNIAL_SERVER_ENGINE_NOTE_REWRITE_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/token.h"
#include "server/engine/engine.h"
#include "server/engine/live_session.h"

namespace perennial {

// The tokens of a turn that is whole in the window or the sinks. INVALID_FIELD if the session has had no such turn,
// TURN_IN_PROGRESS while it runs, BEYOND_HORIZON if part of it was forgotten, or if it was undone or rewound.
absl::StatusOr<std::vector<TokenId>> TokensOfTurn(const LiveSession& session, int64_t turn);

// True if `session`'s notes can be written into its cache now: it is here, with all sinks.
bool TakesNotes(const LiveSession& session);

// How many tokens of `session`'s stream may be fed before its notes must be written; no limit if none are due.
int64_t TokensBeforeNotes(const LiveSession& session);

// Engine thread only. Sessions that it holds must be forgotten before they go.
class NoteRewrites {
 public:
  NoteRewrites() = default;
  NoteRewrites(const NoteRewrites&) = delete;
  NoteRewrites& operator=(const NoteRewrites&) = delete;
  // REQUIRES: nobody waits.
  ~NoteRewrites();

  // `session`'s note book has changed. `done` gets it as it is now, when it is in the cache; at once if it does not
  // take notes now.
  void Add(LiveSession* session, Engine::Done<SessionNotes> done);

  // Sessions whose notes are to be written in a step of `max_tokens`, together at most so many: those that wait longest
  // first, then those of `running` that owe some. `others_want`: turns that owe no notes want tokens; no two steps in a
  // row then have notes, so that these delay nobody by more than as many steps as there were without.
  std::vector<LiveSession*> Plan(absl::Span<LiveSession* const> running, bool others_want, int32_t max_tokens);

  // The step that wrote `session`'s notes succeeded.
  void Written(LiveSession* session);

  // `session` goes; whoever waits for its notes gets `status`.
  void Forget(const LiveSession* session, const absl::Status& status);
  void ForgetAll(const absl::Status& status);

  bool empty() const { return waiting_.empty(); }

 private:
  struct Waiting {
    LiveSession* session;
    SessionNotes notes;
    Engine::Done<SessionNotes> done;
  };

  // Answers those that wait for caches that do not take notes any more: they have begun to be parked or copied, or an
  // undone turn or a rewind has taken sinks back.
  void AnswerWhereNotesMustWait();
  // Calls `done` of those that wait for `session` (nullptr: of all).
  void Answer(const LiveSession* session, const absl::Status& status);

  std::deque<Waiting> waiting_;  // in the order in which they came
  bool rest_ = false;            // the last step had notes
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_NOTE_REWRITE_H_
