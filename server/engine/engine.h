// The engine: owns sessions, turns, caches, sampling and the model, and decodes tokens for all of them together.
//
// One thread (the engine thread) does all the work, in RunOnce. Other threads reach it through one mutex-guarded inbox
// and get their answers by callback. Nothing here knows gRPC, protobuf or torch.
//
// A turn runs the session's *unfed* tokens (in the stream but not yet run: the opening at creation; the last sampled
// token and the end-of-turn tokens after a reply) and then its own. First, normal and cancelled-before turns are then
// one case. A turn that ends before its first sampled token is undone: the stream returns to where it began. One that
// ends later keeps its partial reply, closed by the end-of-turn tokens.

#ifndef PERENNIAL_SERVER_ENGINE_ENGINE_H_
#define PERENNIAL_SERVER_ENGINE_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "model/model_runner.h"
#include "model/token.h"
#include "server/engine/clock.h"
#include "server/engine/engine_stats.h"
#include "server/engine/error.h"
#include "server/engine/parked_store.h"
#include "server/engine/session.h"
#include "server/engine/transcript.h"
#include "server/engine/turn.h"

namespace perennial {

// Every limit is a server flag of the same name.
struct EngineOptions {
  int32_t max_sessions = 1024;             // alive at once, whatever cache memory would allow
  int32_t max_waiting_turns = 1024;        // submitted and not yet admitted, over all sessions
  int32_t max_turns_per_session = 4;       // waiting for one session
  int32_t max_tenants = 256;               // told apart at once; more share the turn of those who say none
  int32_t max_running_turns = 64;          // admitted while so many run whose clients read
  int32_t max_step_tokens = 512;           // tokens in one step, decode and prefill together; <= the runner's
  int32_t prefill_chunk_tokens = 128;      // of one turn in one step; while others decode, of all prefills together
  int32_t max_opening_tokens = 65536;      // of one session
  int32_t max_prompt_tokens = 65536;       // of one turn
  int64_t max_generated_tokens = 1 << 20;  // TurnSpec::max_tokens at most, where it is not 0
  int32_t max_note_tokens = 256;           // of one session; <= max_step_tokens: they are written in one step
  int32_t evict_notice_tokens = 64;        // how long before a turn begins to be forgotten its client is told; 0: never
  int64_t max_session_tokens = 0;          // generated in a session's whole life; 0: without limit
  absl::Duration max_turn_time = absl::ZeroDuration();  // TurnSpec::max_time at most; 0: without limit
  int32_t max_stop_strings = 16;
  int32_t max_stop_string_bytes = 256;
  int32_t max_stop_tokens = 16;
  int32_t max_logit_biases = 1024;
  int32_t max_top_logprobs = 20;
  int32_t max_page_size = 1000;
  int32_t max_labels = 32;                // per session
  int32_t max_label_bytes = 256;          // of a key, and of a value
  int64_t parked_memory = 0;              // bytes for parked caches; 0: none is parked
  int64_t copy_bytes_per_step = 4 << 20;  // of caches that are moved, between two steps
  int32_t transcript_turns = 0;           // newest turns of a session whose text is kept; 0: none
  int32_t transcript_bytes = 65536;       // of text, per session
  absl::Duration max_idle_timeout = absl::Hours(24 * 30);
  absl::Duration heartbeat_interval = absl::Seconds(15);  // of silence towards a client
  absl::Duration slow_reader_timeout = absl::Seconds(60);
  absl::Duration detach_timeout = absl::Minutes(2);  // a turn that goes on without any reader (OnDisconnect::kContinue)
  int64_t replay_bytes = 1 << 20;                    // of one turn's events, kept for readers that come back
  int64_t kept_replay_bytes = int64_t{64} << 20;     // the same, of all turns that have ended together
  int32_t max_readers_per_turn = 8;                  // at once
  absl::Duration request_id_ttl = absl::Minutes(15);  // from the end of what the request asked for
  int32_t max_request_ids = 1 << 16;                  // remembered at once
  absl::Duration retry_after = absl::Seconds(1);      // hint in RESOURCE_EXHAUSTED
};

// INVALID_ARGUMENT naming the first option out of range.
absl::Status ValidateEngineOptions(const EngineOptions& options, const RunnerLimits& runner);

// What the engine decodes with. Everything pointed to must outlive the engine.
struct EngineModel {
  ModelRunner* runner = nullptr;
  // Bytes of a token; thread-compatible, called on the engine thread.
  std::function<absl::string_view(TokenId)> token_bytes;
  std::vector<TokenId> end_tokens;  // sampling one ends the reply
  std::vector<TokenId> reply_end;   // fed after a reply in place of the end token: end of turn and separator
  bool trim_leading_space = false;  // of replies (see TextStream)
  // Where the caches of idle sessions go; nullptr: to host memory, of EngineOptions::parked_memory bytes.
  ParkedStore* parked_store = nullptr;
  // Told what the runner said when it failed, for the log: clients are only told that it did. Engine thread; may be
  // empty.
  std::function<void(const absl::Status&)> on_failure;
};

class Engine {
 public:
  // `random_bits` gives the randomness of session ids; called on the engine thread.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(const EngineOptions& options, EngineModel model,
                                                        const Clock* clock, std::function<uint64_t()> random_bits);

  // Stops the thread if it runs; turns that are still there end with SHUTTING_DOWN.
  virtual ~Engine() = default;

  template <typename T>
  using Done = std::function<void(absl::StatusOr<T>)>;

  // ---- Any thread. Each returns at once; `done` is called exactly once, on the engine thread (or, when the inbox is
  // full or the engine stopped, on the caller's before the call returns). The inbox holds max_waiting_turns turns and
  // as many other calls; what comes on top is refused with QUEUE_FULL. No lock is held while `done` runs: it may call
  // the engine again, but not Stop. ----

  // INVALID_FIELD, NO_FREE_CACHE, SHUTTING_DOWN; REQUEST_ID_REUSED. A retry (SessionSpec::request) gives the session
  // that was made before, SESSION_NOT_FOUND if it is gone.
  virtual void CreateSession(SessionSpec spec, Done<SessionSummary> done) = 0;
  virtual void GetSession(std::string id, Done<SessionSummary> done) = 0;
  virtual void UpdateSession(std::string id, SessionUpdate update, Done<SessionSummary> done) = 0;
  virtual void ListSessions(ListSpec spec, Done<SessionPage> done) = 0;
  // Cancels what runs or waits in the session, then forgets it. Returns its last state. It is not found from then on.
  virtual void DeleteSession(std::string id, Done<SessionSummary> done) = 0;

  // Replaces a session's notes, at any time: also while a turn runs, from its next step on. `done` gets them when they
  // are in the cache, or at once where its sinks are not there yet (then before its first windowed token) or the cache
  // is parked or being copied (then before its next turn's first token). INVALID_FIELD
  // with the numbers if they are more than its budget.
  virtual void SetNotes(std::string id, NotesSpec notes, Done<SessionNotes> done) = 0;
  // Adds a turn that is whole in the window to the notes. BEYOND_HORIZON if it is not, TURN_IN_PROGRESS while it runs.
  virtual void PinTurn(std::string id, int64_t turn, Done<SessionNotes> done) = 0;

  // A new session with a copy of the stream and the cache: `done` gets it when the copy is made. SESSION_NOT_FOUND,
  // also if the session is deleted before that; TURN_IN_PROGRESS while a turn runs or waits, NO_FREE_CACHE,
  // STORE_UNAVAILABLE, SHUTTING_DOWN. Until then no turn of the session runs; those that come wait.
  virtual void ForkSession(ForkSpec spec, Done<SessionSummary> done) = 0;

  // Goes back to the end of an earlier turn. Returns the session with what is left of its window. INVALID_FIELD,
  // SESSION_NOT_FOUND, TURN_IN_PROGRESS while a turn runs or waits, STALE_TURN, BEYOND_HORIZON.
  virtual void RewindSession(RewindSpec spec, Done<SessionSummary> done) = 0;

  // The text of the session's latest turns, oldest first. NOT_SUPPORTED where none is kept (transcript_turns is 0).
  virtual void GetTranscript(std::string id, Done<std::vector<TranscriptTurn>> done) = 0;

  // Submits a turn. `sink` gets its events and exactly one OnFinish, possibly before this returns. A retry
  // (TurnSpec::request) follows the turn that was submitted before, from its first event on, and takes the place of the
  // call that started it; BEYOND_REPLAY if that event is no longer kept.
  virtual std::shared_ptr<TurnTicket> Submit(TurnSpec spec, TurnSink* sink) = 0;

  // Follows a turn that waits, runs or has ended: `sink` gets a TurnState, then the events that were asked for, then
  // live ones, then exactly one OnFinish. INVALID_FIELD, SESSION_NOT_FOUND; BEYOND_REPLAY naming what is kept;
  // QUEUE_FULL if the turn has max_readers_per_turn readers.
  virtual std::shared_ptr<TurnTicket> Attach(AttachSpec spec, TurnSink* sink) = 0;

  // Ends a turn at its next token boundary: it finishes with kCancelled, and is undone if that comes before its first
  // token. Without number and request id: every turn of the session that runs or waits. Gives the number of turns that
  // end because of this call: 0 for a turn that has ended, or was cancelled before. INVALID_FIELD, SESSION_NOT_FOUND.
  virtual void CancelTurn(TurnAddress turn, Done<int32_t> done) = 0;

  // Makes the engine look at its tickets and sinks now.
  virtual void Wake() = 0;

  // A snapshot, at most one step old.
  virtual EngineStats Stats() const = 0;

  // Stops admitting (SHUTTING_DOWN for what waits), sends go_away to running turns, cuts them at a token boundary at
  // `deadline`. `done` is called on the engine thread when no turn is left. Idempotent; an earlier deadline wins.
  virtual void Drain(absl::Time deadline, std::function<void()> done) = 0;

  // Starts the engine thread. Call at most once, and not together with RunOnce.
  virtual void Start() = 0;
  // Ends and joins the engine thread; what is left ends with SHUTTING_DOWN, on the caller's thread. Sessions stay until
  // the engine goes. Idempotent. Never from a callback: it would wait for itself.
  virtual void Stop() = 0;

  // ---- Without Start: tests and simulations drive the engine themselves, from one thread. ----

  // One pass: TakeInbox, Reap, Admit, Move, Plan and Step, Apply. Returns false if there was nothing to do until
  // NextWakeTime() or a call from outside.
  virtual bool RunOnce() = 0;
  // When an expiry, deadline, heartbeat or timeout is due next.
  virtual absl::Time NextWakeTime() const = 0;
  // True if a call from outside has come since the last pass began.
  virtual bool Woken() const = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_ENGINE_H_
