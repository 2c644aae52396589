// The engine's work, without threads: sessions, turns and steps, one phase at a time.
//
//   Take …   what came in: calls about sessions are answered, turns and deletions are put down for the next phases
//   Reap     what ends for a reason outside: expired sessions, cancelled and late turns, deleted sessions, drains
//   Admit    turns that came get a place in the queue, find that they came before, or are refused; waiting turns get
//            their session's lease; readers that came get their turn
//   Move     copies caches for a while: parks, resumes, forks (cache_supply.h)
//   Step     plans the next step (scheduler.h) and runs it: one forward pass over a batch of sessions
//   Apply    samples, sends text, ends replies that are complete and sessions whose step failed
//
// Only Reap, Admit and Apply remove turns, and Move those whose cache cannot be brought in. Every phase ends with all
// invariants whole.

#ifndef PERENNIAL_SERVER_ENGINE_TURN_LOOP_H_
#define PERENNIAL_SERVER_ENGINE_TURN_LOOP_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "model/model_runner.h"
#include "model/token.h"
#include "server/engine/active_turn.h"
#include "server/engine/cache_supply.h"
#include "server/engine/clock.h"
#include "server/engine/engine.h"
#include "server/engine/engine_stats.h"
#include "server/engine/inbox.h"
#include "server/engine/live_session.h"
#include "server/engine/note_rewrite.h"
#include "server/engine/parked_store.h"
#include "server/engine/request_ids.h"
#include "server/engine/scheduler.h"
#include "server/engine/session_store.h"
#include "server/engine/submitted_turn.h"
#include "server/engine/tenants.h"
#include "server/engine/turn_queue.h"
#include "server/engine/turn_records.h"

namespace perennial {

// One thread at a time: the engine's. Callbacks (TurnSink, `done`) are made from the phases; they may call the Engine,
// whose calls only reach its inbox, but not this object.
class TurnLoop {
 public:
  // REQUIRES: `options` are valid for the model's runner. `clock` and what `model` points to must outlive the loop.
  TurnLoop(const EngineOptions& options, EngineModel model, const Clock* clock, std::function<uint64_t()> random_bits);
  TurnLoop(const TurnLoop&) = delete;
  TurnLoop& operator=(const TurnLoop&) = delete;
  // REQUIRES: StopAll was called, or no turn ever came.
  ~TurnLoop();

  // The phases, in this order; each returns whether it did anything. Step does nothing where no turn can run.
  void Take(InboxItem item);
  bool Reap();
  bool Admit();
  bool Move();
  bool Step();
  bool Apply();

  // Ends every turn with SHUTTING_DOWN and answers every call that is open. Sessions stay.
  void StopAll();

  // When an expiry, deadline, heartbeat or timeout is due next, if no call comes.
  absl::Time NextWakeTime() const;

  EngineStats Stats() const;

 private:
  struct Deletion {
    LiveSession* session;  // deleted is set: nobody else finds it
    Engine::Done<SessionSummary> done;
  };
  struct OpenFork {
    LiveSession* fork;  // unborn
    std::string parent_id;
    std::string request_id;
    std::vector<Engine::Done<SessionSummary>> waiting;  // who asked for it, and retries of that
  };
  struct SteppedTurn {
    ActiveTurn* turn;
    int32_t tokens;  // fed
    bool prefill;    // of its prompt
    bool samples;    // the last one's logits give the next sampled token
  };

  // Take, by kind.
  void TakeCall(SubmittedTurn turn);
  void TakeCall(CreateSessionCall call);
  void TakeCall(const GetSessionCall& call);
  void TakeCall(UpdateSessionCall call);
  void TakeCall(ListSessionsCall call);
  void TakeCall(DeleteSessionCall call);
  void TakeCall(AttachCall call);
  void TakeCall(CancelTurnCall call);
  void TakeCall(SetNotesCall call);
  void TakeCall(PinTurnCall call);
  void TakeCall(ForkSessionCall call);
  void TakeCall(RewindSessionCall call);
  void TakeCall(const GetTranscriptCall& call);
  void TakeCall(DrainCall call);
  // Of a call that makes or changes a session: answers it if it came before under its request id, or must not come
  // again. False: it is new; if it succeeds, RememberSession.
  bool AnswerRetry(const std::string& scope, const RequestTag& request, const Engine::Done<SessionSummary>& done);
  void RememberSession(const std::string& scope, const RequestTag& request, const LiveSession& session, absl::Time now);

  // Reap, by what is reaped.
  bool ReapExpiredSessions(absl::Time now);
  bool ReapRunningTurns(absl::Time now);
  bool ReapWaitingTurns(absl::Time now);
  bool ReapDeletedSessions(absl::Time now);
  bool ReapEndedTurns(absl::Time now);
  std::optional<EarlyEnd> WhyEnd(const ActiveTurn& turn, absl::Time now) const;
  std::optional<EarlyEnd> WhyEnd(const SubmittedTurn& turn, const LiveSession& session, absl::Time now) const;
  static absl::Status CheckExpectedTurn(const TurnSpec& spec, const LiveSession& session);
  void AnnounceDrain(absl::Time now);
  bool AnswerDrained();

  // Admit.
  void Seat(SubmittedTurn turn, absl::Time now);
  bool RejoinEarlier(SubmittedTurn& turn, absl::Time now);
  absl::StatusOr<LiveSession*> SessionFor(SubmittedTurn& turn, absl::Time now);
  void Interrupt(LiveSession* session, absl::Time now);
  bool AdmitWaiting(absl::Time now);
  void Follow(AttachCall call, absl::Time now);
  absl::StatusOr<std::shared_ptr<TurnRecord>> FindTurn(const TurnAddress& address) const;

  // Step.
  std::vector<LiveSession*> PlanNotes(const std::vector<TurnDemand>& demands);

  // Caches, in cache_calls.cc.
  bool ProvideCaches(absl::Time now);
  void Tell(const CacheSupply::Outcome& outcome, absl::Time now);
  void RejectFirstTurn(LiveSession* session, const absl::Status& status, absl::Time now);
  OpenFork* FindOpenFork(const std::string& id);
  void AnswerFork(LiveSession* fork, LiveSession* source, const absl::Status& status, absl::Time now);

  // Apply.
  void LoseSteppedSessions(const std::vector<SteppedTurn>& stepped, const std::vector<LiveSession*>& noted,
                           absl::Time now);
  void ApplyToTurn(const SteppedTurn& stepped, size_t input, absl::Time now);

  // Ends of turns. Each counts the end and calls OnFinish last, when the session is free again.
  void Reject(SubmittedTurn turn, EarlyEnd why, absl::Time now);
  void EndEarly(ActiveTurn& turn, EarlyEnd why, absl::Time now);
  void DropSession(ActiveTurn& turn, const absl::Status& status, absl::Time now);  // and its waiting turns
  void SendResult(ActiveTurn& turn, TurnResult result, absl::Time now);
  void FinishRecord(const SubmittedTurn& turn, TurnResult result, absl::Time now);
  // A turn of `session` has left the queue without being admitted.
  void LeaveQueue(LiveSession* session, absl::Time now);
  void ForgetSession(LiveSession* session, const absl::Status& status, absl::Time now);
  void RemoveEndedTurns();
  // The session goes; `status` is for those who wait for its notes.
  void RemoveSession(LiveSession* session, const absl::Status& status);

  absl::Status ShuttingDown() const;
  static absl::Status NoSuchSession();

  // Constant after construction.
  const EngineOptions options_;
  const EngineModel model_;
  const Clock* const clock_;
  const absl::Time started_;

  Tenants tenants_;  // turns hold places in it: made before them

  // What came in and waits for its phase.
  std::vector<SubmittedTurn> arrivals_;
  std::vector<AttachCall> new_readers_;
  std::vector<Deletion> deletions_;

  // Sessions and turns.
  const std::unique_ptr<ParkedStore> own_store_;  // null where the model brings one
  ParkedStore* const store_;
  SessionStore sessions_;
  RequestIds request_ids_;
  TurnRecords records_;
  TurnQueue queue_;
  CacheSupply supply_;
  std::vector<OpenFork> open_forks_;
  std::vector<std::unique_ptr<ActiveTurn>> running_;  // in the order of admission; ended ones only inside a phase
  std::vector<const ActiveTurn*> ended_;              // of running_, inside a phase
  NoteRewrites note_rewrites_;

  // The steps so far, and the one between Step and Apply.
  StepHistory step_history_;
  std::vector<SteppedTurn> stepped_;
  std::vector<LiveSession*> noted_;  // whose notes it writes
  absl::Status step_status_;
  StepOutput step_output_;
  std::vector<TokenId> recent_;  // scratch

  // Draining.
  bool draining_ = false;
  bool announce_drain_ = false;  // running turns have not been told the latest deadline
  absl::Time drain_deadline_ = absl::InfiniteFuture();
  std::vector<std::function<void()>> drained_;

  EngineStats stats_;  // the counters; gauges are filled in by Stats()
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_TURN_LOOP_H_
