// A turn as the engine's callers see it: what they ask for, the events that come back, and how it ends.

#ifndef PERENNIAL_SERVER_ENGINE_TURN_H_
#define PERENNIAL_SERVER_ENGINE_TURN_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "model/sampler.h"
#include "model/text/user_turn.h"
#include "model/token.h"
#include "model/token_constraint.h"
#include "server/engine/session.h"

namespace perennial {

// Who goes first where not all can: into the engine, and within a step.
enum class Priority {
  kInteractive,
  kBatch,  // after the interactive ones, but never starved by them: gets one in kBatchShare of what there is
};
inline constexpr int32_t kBatchShare = 4;

// One user message and how to answer it.
struct TurnSpec {
  std::string session_id;                // empty: `ephemeral` is set
  std::optional<SessionSpec> ephemeral;  // a session made for this turn and deleted with its end
  // The user's message and the header of the reply; every variant has at least one token. A session's first turn feeds
  // the one that SessionSpec::first_turn says, and so does the next one after a first turn that was undone.
  UserTurn message;
  SamplingParams sampling;
  int64_t max_tokens = 0;           // 0: until the client leaves; needs ignore_end_of_turn
  bool ignore_end_of_turn = false;  // end tokens are never sampled
  std::vector<std::string> stop_strings;
  std::vector<TokenId> stop_tokens;     // end the reply; they stay in the stream, but are not part of its text
  int64_t min_tokens = 0;               // end and stop tokens are not sampled before so many tokens were
  std::optional<int32_t> top_logprobs;  // log-probabilities of each sampled token and of so many most likely ones
  // What the reply must look like, at its beginning; null: anything. This turn's alone. Where the reply reaches
  // max_tokens it is cut, complete or not.
  std::shared_ptr<TokenConstraint> constraint;
  std::string tenant;  // tenants take turns; up to kMaxTenantBytes of [A-Za-z0-9_.-]; empty: one tenant like the others
  Priority priority = Priority::kInteractive;
  bool reject_if_busy = false;  // TURN_IN_PROGRESS instead of waiting for the session's running turn
  // LiveSession::last_turn as the caller knows it: STALE_TURN if it is another one, on arrival or at admission.
  std::optional<int64_t> expected_turn;
  absl::Time deadline = absl::InfiniteFuture();
};

// ---- Events. Each has the turn's next sequence number, from 1; a heartbeat repeats the last one. ----

struct TurnQueued {
  int32_t position = 0;  // turns that will be admitted before this one
};

struct TurnStarted {
  std::string session_id;
  int64_t turn = 0;           // number of the turn in its session, from 1; never used twice
  int64_t prompt_tokens = 0;  // tokens this turn feeds before its first sampled one
  SessionMemory memory;       // before the prompt is fed
};

struct TurnLogprob {
  TokenId token = kNoToken;
  std::string bytes;  // that the token stands for
  float logprob = 0.0f;
};

// At one sampled token.
struct TurnLogprobs {
  TurnLogprob chosen;
  std::vector<TurnLogprob> top;  // the most likely tokens, most likely first
};

struct TurnDelta {
  std::string text;                    // valid UTF-8, not cumulative; may be empty where there are logprobs
  int32_t tokens = 0;                  // sampled tokens this text came from
  std::vector<TurnLogprobs> logprobs;  // of the tokens sampled since the last delta; none unless asked for
};

// The horizon passed one or more turn boundaries: what those turns said can no longer be read by the model.
struct TurnEvicted {
  int64_t first_token = 0;  // [first_token, end_token) left the window since the last such event
  int64_t end_token = 0;
  int64_t first_turn = 0;  // first and last turn that are now partly or wholly forgotten by it
  int64_t last_turn = 0;
};

struct TurnHeartbeat {
  int32_t queue_position = 0;     // 0 once admitted
  int64_t prompt_tokens_fed = 0;  // prefill progress
  int64_t prompt_tokens = 0;
};

struct TurnGoAway {
  absl::Duration time_left;  // until running turns are cut
};

struct TurnEvent {
  int64_t sequence = 0;
  std::variant<TurnQueued, TurnStarted, TurnDelta, TurnEvicted, TurnHeartbeat, TurnGoAway> event;
};

// ---- The end. ----

enum class FinishReason { kEndOfTurn, kMaxTokens, kStop, kStopToken };

struct TurnUsage {
  int64_t prompt_tokens = 0;     // of this turn's message
  int64_t fed_tokens = 0;        // run through the model in this turn (unfed rest of the last turn, prompt, replies)
  int64_t generated_tokens = 0;  // sampled
  int64_t evicted_tokens = 0;    // left the window in this turn
};

struct TurnTiming {
  absl::Duration queue;        // submitted → admitted
  absl::Duration prefill;      // admitted → prompt fed
  absl::Duration first_token;  // submitted → first token sampled
  absl::Duration decode;       // first token → last token
};

struct TurnResult {
  absl::Status status;  // OK: finished for `reason`. Else why not; CANCELLED and DEADLINE_EXCEEDED included
  FinishReason reason = FinishReason::kEndOfTurn;
  int32_t stop_index = -1;  // kStop: index into stop_strings
  int64_t sequence = 0;     // of the `finished` event
  std::string session_id;
  int64_t turn = 0;  // 0: never admitted
  TurnUsage usage;
  TurnTiming timing;
  SessionMemory memory;  // after the turn
};

// Where a turn's output goes. The engine calls it on its own thread, one call at a time, never after OnFinish; the
// calls must return at once. The engine does not own it: it must live until OnFinish has returned, which is called
// exactly once for every submitted turn (on the caller's thread, inside Submit, where the engine takes no turn: its
// inbox is full or it was stopped).
//
// No lock is held during a call: a sink may call the engine back (Wake, Submit, CreateSession, …; not Stop), and may be
// destroyed by its own OnFinish. While a client takes nothing (ReadyForMore), no more deltas, queue positions or
// heartbeats come; `started`, `go_away` and the last delta may.
class TurnSink {
 public:
  virtual ~TurnSink() = default;

  virtual void OnEvent(TurnEvent event) = 0;
  virtual void OnFinish(TurnResult result) = 0;

  // False while the client has too much unread: the turn is then not scheduled. Whoever reads calls Engine::Wake when
  // it becomes true again. After EngineOptions::slow_reader_timeout of false the turn ends with SLOW_READER.
  virtual bool ReadyForMore() const { return true; }
};

// Cancels a turn. Shared by the caller and the engine; thread-safe.
class TurnTicket {
 public:
  // Only raises a flag; the engine ends the turn at the next token boundary (call Engine::Wake to make it soon).
  void Cancel() { cancelled_.store(true, std::memory_order_release); }
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> cancelled_{false};
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_TURN_H_
