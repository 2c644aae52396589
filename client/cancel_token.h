// Stops a running Chat or Attach call from another thread.

#ifndef PERENNIAL_CLIENT_CANCEL_TOKEN_H_
#define PERENNIAL_CLIENT_CANCEL_TOKEN_H_

#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace perennial {

// Handed to ChatClient::Chat and ChatClient::Attach, which say what cancelling means for them. A token stays cancelled:
// a call that starts later with the same token ends at once. Any thread, but no signal handler (see
// client/command/interrupt.h for the way from a signal to here).
class CancelToken {
 public:
  CancelToken() = default;
  CancelToken(const CancelToken&) = delete;
  CancelToken& operator=(const CancelToken&) = delete;

  // Returns without waiting for the call's end. May be repeated: each time is passed on to the call, which may take the
  // second as impatience.
  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_);
  bool cancelled() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits so long, or until it is cancelled; returns whether it is.
  bool WaitFor(absl::Duration duration) const ABSL_LOCKS_EXCLUDED(mutex_);

  // For ChatClient: ties the token to one call for as long as this object lives. `on_cancel` is called by every
  // Cancel(), and at once if the token is cancelled already; it must not wait and not touch the token. `token` may be
  // null; both must outlive this. At most one call at a time for a token.
  class Binding {
   public:
    Binding(CancelToken* token, std::function<void()> on_cancel);
    ~Binding();
    Binding(const Binding&) = delete;
    Binding& operator=(const Binding&) = delete;

   private:
    CancelToken* const token_;
  };

 private:
  mutable absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> on_cancel_ ABSL_GUARDED_BY(mutex_);  // set while a Binding lives
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_CANCEL_TOKEN_H_
