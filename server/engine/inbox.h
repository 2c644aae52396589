// Where other threads leave work for the engine: the one mutex of the engine's hot path.

#ifndef PERENNIAL_SERVER_ENGINE_INBOX_H_
#define PERENNIAL_SERVER_ENGINE_INBOX_H_

#include <cstddef>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/engine/engine.h"
#include "server/engine/session.h"
#include "server/engine/submitted_turn.h"
#include "server/engine/turn_reader.h"

namespace perennial {

// Calls of Engine's methods, as values. `check` is the outcome of the caller's checks: what `done` gets if it is not
// OK.
struct CreateSessionCall {
  SessionSpec spec;
  absl::Status check;
  Engine::Done<SessionSummary> done;
};
struct GetSessionCall {
  std::string id;
  Engine::Done<SessionSummary> done;
};
struct UpdateSessionCall {
  std::string id;
  SessionUpdate update;
  absl::Status check;
  Engine::Done<SessionSummary> done;
};
struct ListSessionsCall {
  ListSpec spec;
  absl::Status check;
  Engine::Done<SessionPage> done;
};
// Answered when the session's turns have ended, with its last state.
struct DeleteSessionCall {
  std::string id;
  Engine::Done<SessionSummary> done;
};
// The reader gets the turn's events, or why there are none.
struct AttachCall {
  AttachSpec spec;
  absl::Status check;
  TurnReader reader;  // gets what `done` gets elsewhere
};
struct CancelTurnCall {
  TurnAddress turn;
  absl::Status check;
  Engine::Done<int32_t> done;  // gets how many turns end because of it
};
// Both calls about notes are answered when the cache has them, not before: several in a row become one rewrite.
struct SetNotesCall {
  std::string id;
  NotesSpec notes;
  absl::Status check;
  Engine::Done<SessionNotes> done;
};
struct PinTurnCall {
  std::string id;
  int64_t turn;
  Engine::Done<SessionNotes> done;
};
// Its `done` is called when the copy is made; what comes with a request id, for retries too.
struct ForkSessionCall {
  ForkSpec spec;
  absl::Status check;
  Engine::Done<SessionSummary> done;
};
struct RewindSessionCall {
  RewindSpec spec;
  absl::Status check;
  Engine::Done<SessionSummary> done;
};
// Answered with what was said, where the server keeps it.
struct GetTranscriptCall {
  std::string id;
  Engine::Done<std::vector<TranscriptTurn>> done;
};
// No turn is admitted any more; those that run are cut at `deadline`. `done`, which may be empty, is called when none
// is left.
struct DrainCall {
  absl::Time deadline;
  std::function<void()> done;
};

using InboxItem = std::variant<SubmittedTurn, CreateSessionCall, GetSessionCall, UpdateSessionCall, ListSessionsCall,
                               DeleteSessionCall, ForkSessionCall, RewindSessionCall, GetTranscriptCall, AttachCall,
                               CancelTurnCall, SetNotesCall, PinTurnCall, DrainCall>;

// Thread-safe. Holds at most `max_turns` turns and `max_calls` other calls (drains always fit: whoever stops a server
// must not be refused).
class Inbox {
 public:
  Inbox(int32_t max_turns, int32_t max_calls) : max_turns_(max_turns), max_calls_(max_calls) {}

  enum class PutResult {
    kTaken,
    kFull,    // come again later: QUEUE_FULL
    kClosed,  // never again: SHUTTING_DOWN
  };

  // Leaves `item` and wakes the engine. Unless kTaken, `item` is as it was: the caller answers it (AnswerWith). Never
  // blocks for longer than it takes to move an item.
  PutResult Put(InboxItem& item) ABSL_LOCKS_EXCLUDED(mutex_);

  // Everything since the last call, in the order in which it came. Calls of Wake until now count as answered.
  std::vector<InboxItem> TakeAll() ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends the current or next Wait.
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);

  // True if Wait would return at once.
  bool awake() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits for Put, Wake or Close since the last TakeAll, at most for `timeout`.
  void Wait(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);

  // From now on nothing is taken; what was stays for TakeAll.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);
  bool closed() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const int32_t max_turns_;
  const int32_t max_calls_;

  mutable absl::Mutex mutex_;
  std::vector<InboxItem> items_ ABSL_GUARDED_BY(mutex_);
  int32_t num_turns_ ABSL_GUARDED_BY(mutex_) = 0;  // of items_
  int32_t num_calls_ ABSL_GUARDED_BY(mutex_) = 0;  // of items_, drains not counted
  bool awake_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// Answers an item that the engine does not do: a turn's OnFinish or a call's `done` with `status`; a drain's `done`,
// because a stopped engine has no turn left.
void AnswerWith(const absl::Status& status, InboxItem item, absl::Time now);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_INBOX_H_
