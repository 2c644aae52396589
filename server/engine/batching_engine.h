// The Engine: a TurnLoop, the inbox in front of it, and the thread that drives it.

#ifndef PERENNIAL_SERVER_ENGINE_BATCHING_ENGINE_H_
#define PERENNIAL_SERVER_ENGINE_BATCHING_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/engine/clock.h"
#include "server/engine/engine.h"
#include "server/engine/inbox.h"
#include "server/engine/turn_loop.h"

namespace perennial {

// Which thread touches what: `loop_` belongs to the engine thread from Start until Stop has joined it, and to the
// caller before and after; `inbox_` is everybody's; `stats_` is a copy that the engine thread leaves behind after every
// pass. No lock is held while a callback runs.
class BatchingEngine final : public Engine {
 public:
  // Does not start the thread: RunOnce by hand, as tests do, or Start. REQUIRES: the options are valid for the model's
  // runner. `clock` and what `model` points to must outlive it; `random_bits` is called by the engine thread.
  BatchingEngine(const EngineOptions& options, EngineModel model, const Clock* clock,
                 std::function<uint64_t()> random_bits);
  ~BatchingEngine() override;  // as Stop

  // Engine's methods, from any thread. Each checks what can be checked without the engine's state on the caller's
  // thread and leaves the rest in the inbox with the outcome; `done` is called by the engine thread, or by the caller's
  // before this returns where the inbox is full (QUEUE_FULL) or closed (SHUTTING_DOWN).
  void CreateSession(SessionSpec spec, Done<SessionSummary> done) override;
  void GetSession(std::string id, Done<SessionSummary> done) override;
  void UpdateSession(std::string id, SessionUpdate update, Done<SessionSummary> done) override;
  void ListSessions(ListSpec spec, Done<SessionPage> done) override;
  void DeleteSession(std::string id, Done<SessionSummary> done) override;
  void SetNotes(std::string id, NotesSpec notes, Done<SessionNotes> done) override;
  void PinTurn(std::string id, int64_t turn, Done<SessionNotes> done) override;
  void ForkSession(ForkSpec spec, Done<SessionSummary> done) override;
  void RewindSession(RewindSpec spec, Done<SessionSummary> done) override;
  void GetTranscript(std::string id, Done<std::vector<TranscriptTurn>> done) override;
  std::shared_ptr<TurnTicket> Submit(TurnSpec spec, TurnSink* sink) override;
  std::shared_ptr<TurnTicket> Attach(AttachSpec spec, TurnSink* sink) override;
  void CancelTurn(TurnAddress turn, Done<int32_t> done) override;
  void Wake() override;
  EngineStats Stats() const override;
  void Drain(absl::Time deadline, std::function<void()> done) override;
  void Start() override;
  void Stop() override;
  bool RunOnce() override;
  absl::Time NextWakeTime() const override;
  bool Woken() const override;

 private:
  // Leaves the item, or answers it with the reason why not. Any thread.
  void Put(InboxItem item);

  // These are the engine thread's, or of whoever has the loop. TakeInbox returns whether anything was there.
  bool TakeInbox();
  void PublishStats();
  void Run();  // until the inbox is closed

  // Constant after construction.
  const EngineOptions options_;
  const RunnerLimits runner_limits_;
  const Clock* const clock_;

  Inbox inbox_;    // thread-safe by itself
  TurnLoop loop_;  // the engine thread's

  mutable absl::Mutex stats_mutex_;
  EngineStats stats_ ABSL_GUARDED_BY(stats_mutex_);
  int64_t refused_turns_ ABSL_GUARDED_BY(stats_mutex_) = 0;  // by the inbox: the loop never saw them

  absl::Mutex
      thread_mutex_;  // orders Start and Stop; Stop answers what is left under it, so callbacks must not call them
  std::thread thread_ ABSL_GUARDED_BY(thread_mutex_);
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_BATCHING_ENGINE_H_
