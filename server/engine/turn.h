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
#include "model/repetition_detector.h"
#include "model/sampler.h"
#include "model/text/message.h"
#include "model/text/user_turn.h"
#include "model/token.h"
#include "model/token_constraint.h"
#include "server/engine/request_tag.h"
#include "server/engine/session.h"

namespace perennial {

// Who goes first where not all can: into the engine, and within a step.
enum class Priority {
  kInteractive,
  kBatch,  // after the interactive ones, but never starved by them: gets one in kBatchShare of what there is
};
inline constexpr int32_t kBatchShare = 4;

// What to do when another turn of the session waits or runs.
enum class IfBusy {
  kWait,
  kReject,     // TURN_IN_PROGRESS
  kInterrupt,  // the session's other turns finish with kCancelled, this one runs next
};

// What happens to a turn whose starting reader leaves (cancel, disconnect, deadline, too slow) before its end.
enum class OnDisconnect {
  kCancel,    // it ends with the reader
  kContinue,  // it goes on, for EngineOptions::detach_timeout without any reader
};

// What to do when a reply repeats itself without end (RepetitionDetector).
enum class OnRepetition {
  kIgnore,  // not looked for
  kReport,  // TurnResult::repetition
  kFinish,  // the turn also finishes with kRepetition
};

// One user message and how to answer it; or messages that are only fed.
struct TurnSpec {
  std::string session_id;                // empty: `ephemeral` is set
  std::optional<SessionSpec> ephemeral;  // a session made for this turn and deleted with its end
  // The user's message and the header of the reply; every variant has at least one token. A session's first turn feeds
  // the one that SessionSpec::first_turn says, and so does the next one after a first turn that was undone.
  UserTurn message;
  // The same as text, for the session's transcript; empty unless the server keeps transcripts.
  std::vector<Message> messages;
  // False: the message holds its replies already, but for what closes the last one. It is fed, nothing is sampled, and
  // the turn ends with kEndOfTurn; sampling, max_tokens, … have no meaning.
  bool reply = true;
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
  bool refuse_long_message = false;  // INVALID_FIELD for a message that has more tokens than the window
  IfBusy if_busy = IfBusy::kWait;
  // LiveSession::last_turn as the caller knows it: STALE_TURN if it is another one, on arrival or at admission.
  std::optional<int64_t> expected_turn;
  OnDisconnect on_disconnect = OnDisconnect::kCancel;  // kContinue needs a request id
  // A retry finds its turn by it: the turn of the same id in the same session (without a session id: of all such turns)
  // is followed from its first event, and nothing is generated again. REQUEST_ID_REUSED if the fingerprint differs.
  RequestTag request;
  absl::Time deadline = absl::InfiniteFuture();        // of the starting reader
  absl::Duration max_time = absl::InfiniteDuration();  // budgets.h
  OnRepetition on_repetition = OnRepetition::kReport;
};

// Where the turn's request id counts: in its session, or among the turns that came without a session id.
inline std::string RequestScope(const TurnSpec& spec) { return spec.ephemeral.has_value() ? "" : spec.session_id; }

// Names a turn from outside.
struct TurnAddress {
  std::string session_id;  // empty only with the request id of a turn that came without a session id
  int64_t turn = 0;        // its number, or …
  std::string request_id;  // … the id that it was submitted with
};

// How to follow a turn that waits, runs or has ended.
struct AttachSpec {
  TurnAddress turn;           // exactly one of number and request id
  int64_t from_sequence = 1;  // the first event to send
  bool from_oldest = false;   // or the oldest one that is kept
};

// ---- Events. Each has the turn's next sequence number, from 1; a heartbeat and a state repeat the last one. ----

enum class TurnPhase { kWaiting, kRunning, kEnded };

// Where a turn is: the first event of a reader that attaches, and of no other.
struct TurnState {
  std::string session_id;
  int64_t turn = 0;  // 0 until it is admitted
  TurnPhase phase = TurnPhase::kWaiting;
  int64_t oldest_sequence = 0;  // of the events that can be replayed; 0 while there are none
  int64_t newest_sequence = 0;  // of the turn's events, the regular end included; 0 while there are none
  int64_t generated_tokens = 0;
};

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
  std::string text;                         // valid UTF-8, not cumulative; may be empty where there are logprobs
  int32_t tokens = 0;                       // sampled tokens this text came from
  std::vector<TurnLogprobs> logprobs = {};  // of the tokens sampled since the last delta; none unless asked for
};

// The horizon will soon pass a turn boundary: a turn, or the opening, begins to be forgotten.
struct TurnWillEvict {
  int64_t in_tokens = 0;   // fed until then; at most evict_notice_tokens, more only before a prompt is fed
  int64_t first_turn = 0;  // first and last turn that will be partly or wholly forgotten; 0: the opening
  int64_t last_turn = 0;
};

enum class EvictionReason {
  kWindowFull,
  kUndoneTurn,  // its prompt had overwritten part of the window
};

// The horizon passed one or more turn boundaries: what those turns said can no longer be read by the model.
struct TurnEvicted {
  int64_t first_token = 0;  // [first_token, end_token) left the window since the last such event
  int64_t end_token = 0;
  int64_t first_turn = 0;  // first and last turn that are now partly or wholly forgotten by it
  int64_t last_turn = 0;
  EvictionReason reason = EvictionReason::kWindowFull;
  SessionMemory memory;  // after it
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
  std::variant<TurnState, TurnQueued, TurnStarted, TurnDelta, TurnWillEvict, TurnEvicted, TurnHeartbeat, TurnGoAway>
      event;
};

// ---- The end. ----

enum class FinishReason {
  kEndOfTurn,
  kMaxTokens,
  kStop,
  kStopToken,
  kCancelled,      // CancelTurn, or a turn with IfBusy::kInterrupt
  kRepetition,     // the reply repeated itself without end
  kTurnBudget,     // max_time has passed
  kSessionBudget,  // the session's budget is used up; turn 0: it was before the turn
};

struct TurnUsage {
  int64_t prompt_tokens = 0;     // of this turn's message
  int64_t fed_tokens = 0;        // run through the model in this turn (unfed rest of the last turn, prompt, replies)
  int64_t generated_tokens = 0;  // sampled
  int64_t evicted_tokens = 0;    // left the window in this turn
  // Of prompt_tokens, those that could be read when the reply began: fewer where the message was longer than the
  // window.
  int64_t readable_prompt_tokens = 0;
  int64_t reused_tokens = 0;  // in the cache when the turn began, and read without being run again
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
  std::string stop;      // kStop: the stop string that was met
  int64_t sequence = 0;  // of the `finished` event
  std::string session_id;
  int64_t turn = 0;  // 0: never admitted
  TurnUsage usage;
  TurnTiming timing;
  SessionMemory memory;                  // after the turn
  std::optional<Repetition> repetition;  // the first that was found in the reply
};

// A reader of a turn: where its events go. The engine calls it on its own thread, one call at a time, never after
// OnFinish; the calls must return at once. The engine does not own it: it must live until OnFinish has returned, which
// is called exactly once for every Submit and Attach (on the caller's thread, inside the call, where the engine takes
// nothing: its inbox is full or it was stopped).
//
// The end is the turn's, with status OK or not; or the reader's own, while the turn goes on: CANCELLED when it left,
// DEADLINE_EXCEEDED, SLOW_READER.
//
// No lock is held during a call: a sink may call the engine back (Wake, Submit, CreateSession, …; not Stop), and may be
// destroyed by its own OnFinish. While a reader takes nothing (ReadyForMore) it gets no events; what it misses is kept
// for it.
class TurnSink {
 public:
  virtual ~TurnSink() = default;

  virtual void OnEvent(TurnEvent event) = 0;
  virtual void OnFinish(TurnResult result) = 0;

  // False while the client has too much unread. Whoever reads calls Engine::Wake when it becomes true again. While the
  // reader that paces the turn is not ready, the turn is not scheduled; after EngineOptions::slow_reader_timeout of
  // false a reader is cut off with SLOW_READER.
  virtual bool ReadyForMore() const { return true; }
};

// How a reader leaves its turn. Shared by the reader and the engine; thread-safe.
class TurnTicket {
 public:
  // Only raises a flag; the engine lets the reader go at the next token boundary (call Engine::Wake to make it soon).
  // What that means for the turn depends on who leaves: TurnSpec::on_disconnect for the reader that started it; nothing
  // for others.
  void Leave() { left_.store(true, std::memory_order_release); }
  bool left() const { return left_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> left_{false};
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_TURN_H_
