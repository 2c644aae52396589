// A clock that stands still until it is told.

#ifndef PERENNIAL_TESTS_FAKE_CLOCK_H_
#define PERENNIAL_TESTS_FAKE_CLOCK_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/engine/clock.h"

namespace perennial {

// Thread-safe. Starts at 2026-01-01 UTC, so that printed times look like times.
class FakeClock final : public Clock {
 public:
  absl::Time Now() const override ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return now_;
  }

  // REQUIRES: duration >= 0. Whoever waits for time must be woken besides (Engine::Wake).
  void Advance(absl::Duration duration) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    now_ += duration;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_) = absl::FromUnixSeconds(1767225600);
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_FAKE_CLOCK_H_
