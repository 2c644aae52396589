// One thread for long texts: rendering and tokenizing a megabyte takes longer than a gRPC thread may work.

#ifndef PERENNIAL_SERVER_TEXT_WORKER_H_
#define PERENNIAL_SERVER_TEXT_WORKER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace perennial {

// Thread-safe.
class TextWorker {
 public:
  // `inline_text_bytes`: texts up to here are short. `max_waiting`: tasks that may wait for the thread. `retry_after`:
  // the hint in QUEUE_FULL.
  TextWorker(int64_t inline_text_bytes, int32_t max_waiting, absl::Duration retry_after);
  // Runs what waits, then ends the thread.
  ~TextWorker();

  TextWorker(const TextWorker&) = delete;
  TextWorker& operator=(const TextWorker&) = delete;

  // Runs `task`, whose texts have `text_bytes` together, exactly once: at once on the caller's thread if they are
  // short, else later on the text thread, in order. QUEUE_FULL if too many wait; `task` is then never run.
  absl::Status Run(int64_t text_bytes, std::function<void()> task) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !waiting_.empty(); }

  // Constant after construction.
  const int64_t inline_text_bytes_;
  const int32_t max_waiting_;
  const absl::Duration retry_after_;

  absl::Mutex mutex_;
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;  // last: starts when all else is there
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_TEXT_WORKER_H_
