// An Engine that does nothing by itself: it keeps what it is asked and lets the test answer, on the test's thread in
// place of the engine's. For tests of the gRPC edge that need to say exactly when an event comes.

#ifndef PERENNIAL_TESTS_SERVER_FAKE_ENGINE_H_
#define PERENNIAL_TESTS_SERVER_FAKE_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/engine/engine.h"

namespace perennial {

class FakeEngine final : public Engine {
 public:
  struct Submitted {
    TurnSpec spec;
    TurnSink* sink = nullptr;
    std::shared_ptr<TurnTicket> ticket;
  };

  struct Attached {
    AttachSpec spec;
    TurnSink* sink = nullptr;
    std::shared_ptr<TurnTicket> ticket;
  };

  // ---- For the test ----

  // If set, a submitted turn, or a reader, ends with it before the call returns.
  absl::Status refusal;
  // The answer of the session calls.
  absl::StatusOr<SessionSummary> session = SessionSummary{};
  absl::StatusOr<SessionNotes> notes = SessionNotes{};
  SessionPage page;
  std::vector<TranscriptTurn> transcript;
  EngineStats stats;

  // Waits for the next reader that attaches.
  Attached AwaitReader() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &FakeEngine::HasReader));
    return readers_[next_reader_++];
  }
  // Waits for the next turn.
  Submitted AwaitTurn() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &FakeEngine::HasTurn));
    return turns_[next_turn_++];
  }
  // Waits until Wake has been called `count` times in all.
  void AwaitWakes(int64_t count) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return wakes_ >= count; };
    mutex_.Await(absl::Condition(&enough));
  }
  int64_t wakes() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return wakes_;
  }
  size_t num_turns() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return turns_.size();
  }
  // The last arguments of the session calls.
  SessionSpec created;
  SessionUpdate updated;
  ListSpec listed;
  NotesSpec noted;
  int64_t pinned = 0;
  ForkSpec forked;
  RewindSpec rewound;
  std::string named;  // session id
  TurnAddress cancelled;
  absl::StatusOr<int32_t> cancelled_turns = 0;  // the answer of CancelTurn

  // ---- Engine ----

  void CreateSession(SessionSpec spec, Done<SessionSummary> done) override {
    created = std::move(spec);
    done(session);
  }
  void GetSession(std::string id, Done<SessionSummary> done) override {
    named = std::move(id);
    done(session);
  }
  void UpdateSession(std::string id, SessionUpdate update, Done<SessionSummary> done) override {
    named = std::move(id);
    updated = std::move(update);
    done(session);
  }
  void ListSessions(ListSpec spec, Done<SessionPage> done) override {
    listed = std::move(spec);
    done(page);
  }
  void DeleteSession(std::string id, Done<SessionSummary> done) override {
    named = std::move(id);
    done(session);
  }
  void SetNotes(std::string id, NotesSpec spec, Done<SessionNotes> done) override {
    named = std::move(id);
    noted = std::move(spec);
    done(notes);
  }
  void PinTurn(std::string id, int64_t turn, Done<SessionNotes> done) override {
    named = std::move(id);
    pinned = turn;
    done(notes);
  }
  void ForkSession(ForkSpec spec, Done<SessionSummary> done) override {
    forked = std::move(spec);
    done(session);
  }
  void RewindSession(RewindSpec spec, Done<SessionSummary> done) override {
    rewound = std::move(spec);
    done(session);
  }
  void GetTranscript(std::string id, Done<std::vector<TranscriptTurn>> done) override {
    named = std::move(id);
    done(transcript);
  }
  std::shared_ptr<TurnTicket> Submit(TurnSpec spec, TurnSink* sink) override ABSL_LOCKS_EXCLUDED(mutex_) {
    auto ticket = std::make_shared<TurnTicket>();
    if (!refusal.ok()) {
      TurnResult result;
      result.status = refusal;
      sink->OnFinish(std::move(result));
      return ticket;
    }
    absl::MutexLock lock(&mutex_);
    turns_.push_back({std::move(spec), sink, ticket});
    return ticket;
  }
  std::shared_ptr<TurnTicket> Attach(AttachSpec spec, TurnSink* sink) override ABSL_LOCKS_EXCLUDED(mutex_) {
    auto ticket = std::make_shared<TurnTicket>();
    if (!refusal.ok()) {
      TurnResult result;
      result.status = refusal;
      sink->OnFinish(std::move(result));
      return ticket;
    }
    absl::MutexLock lock(&mutex_);
    readers_.push_back({std::move(spec), sink, ticket});
    return ticket;
  }
  void CancelTurn(TurnAddress turn, Done<int32_t> done) override {
    cancelled = std::move(turn);
    done(cancelled_turns);
  }
  void Wake() override ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    ++wakes_;
  }
  EngineStats Stats() const override { return stats; }
  void Drain(absl::Time /*deadline*/, std::function<void()> done) override { done(); }
  void Start() override {}
  void Stop() override {}
  bool RunOnce() override { return false; }
  absl::Time NextWakeTime() const override { return absl::InfiniteFuture(); }
  bool Woken() const override { return false; }

 private:
  bool HasTurn() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return turns_.size() > next_turn_; }

  bool HasReader() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return readers_.size() > next_reader_; }

  mutable absl::Mutex mutex_;
  std::vector<Attached> readers_ ABSL_GUARDED_BY(mutex_);
  size_t next_reader_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Submitted> turns_ ABSL_GUARDED_BY(mutex_);
  size_t next_turn_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t wakes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SERVER_FAKE_ENGINE_H_
