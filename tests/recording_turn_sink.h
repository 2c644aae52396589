// A TurnSink that keeps everything it is told and checks, as it goes, what every turn's output must keep to.

#ifndef PERENNIAL_TESTS_RECORDING_TURN_SINK_H_
#define PERENNIAL_TESTS_RECORDING_TURN_SINK_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "server/engine/turn.h"

namespace perennial {

// Thread-safe: the engine's thread tells, a test's thread reads. Adds a test failure if sequence numbers have a gap, a
// heartbeat or a state takes one, or anything comes after OnFinish.
class RecordingTurnSink : public TurnSink {
 public:
  // `first_sequence`: of the first event that is to come, for a sink that attaches; 0: the oldest that is kept.
  explicit RecordingTurnSink(int64_t first_sequence = 1) : last_sequence_(first_sequence - 1) {}

  // Called after an event, or the end, was recorded; no lock is held. Set before the turn is submitted.
  std::function<void(const TurnEvent&)> on_event;
  std::function<void(const TurnResult&)> on_finish;

  void OnEvent(TurnEvent event) override {
    {
      absl::MutexLock lock(&mutex_);
      EXPECT_FALSE(finished_) << "an event after OnFinish";
      if (const auto* state = std::get_if<TurnState>(&event.event)) {
        EXPECT_TRUE(events_.empty()) << "a state is the first event";
        EXPECT_EQ(event.sequence, state->newest_sequence);
        if (last_sequence_ < 0) last_sequence_ = std::max<int64_t>(state->oldest_sequence, 1) - 1;
      } else {
        const bool heartbeat = std::holds_alternative<TurnHeartbeat>(event.event);
        EXPECT_EQ(event.sequence, last_sequence_ + (heartbeat ? 0 : 1)) << "a gap in the sequence";
        last_sequence_ = event.sequence;
      }
      if (const auto* delta = std::get_if<TurnDelta>(&event.event)) {
        EXPECT_FALSE(delta->text.empty() && delta->logprobs.empty());
        text_ += delta->text;
      }
      events_.push_back(event);
    }
    if (on_event) on_event(event);
  }

  void OnFinish(TurnResult result) override {
    {
      absl::MutexLock lock(&mutex_);
      EXPECT_FALSE(finished_) << "a second OnFinish";
      if (result.status.ok()) {
        EXPECT_EQ(result.sequence, last_sequence_ + 1);
      }
      result_ = result;
    }
    if (on_finish) on_finish(result);
    // Last: whoever waits may destroy the sink.
    absl::MutexLock lock(&mutex_);
    finished_ = true;
  }

  bool ReadyForMore() const override { return ready_.load(std::memory_order_acquire); }

  // Whether the client reads. Call Engine::Wake after true.
  void SetReady(bool ready) { ready_.store(ready, std::memory_order_release); }

  bool finished() const {
    absl::MutexLock lock(&mutex_);
    return finished_;
  }
  // REQUIRES: finished().
  TurnResult result() const {
    absl::MutexLock lock(&mutex_);
    EXPECT_TRUE(finished_);
    return result_;
  }
  // Waits for the end. REQUIRES: the engine runs on another thread.
  TurnResult AwaitResult() const {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&finished_));
    return result_;
  }
  std::string text() const {
    absl::MutexLock lock(&mutex_);
    return text_;
  }
  std::vector<TurnEvent> events() const {
    absl::MutexLock lock(&mutex_);
    return events_;
  }
  // All events of one kind, in order.
  template <typename Event>
  std::vector<Event> EventsOf() const {
    std::vector<Event> found;
    for (const TurnEvent& event : events()) {
      if (const auto* one = std::get_if<Event>(&event.event)) found.push_back(*one);
    }
    return found;
  }

 private:
  std::atomic<bool> ready_{true};

  mutable absl::Mutex mutex_;
  std::vector<TurnEvent> events_ ABSL_GUARDED_BY(mutex_);
  std::string text_ ABSL_GUARDED_BY(mutex_);
  TurnResult result_ ABSL_GUARDED_BY(mutex_);
  int64_t last_sequence_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_RECORDING_TURN_SINK_H_
