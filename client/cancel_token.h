// Stops a running Chat call from another thread.

#ifndef PERENNIAL_CLIENT_CANCEL_TOKEN_H_
#define PERENNIAL_CLIENT_CANCEL_TOKEN_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace grpc {
class ClientContext;
}

namespace perennial {

// Handed to ChatClient::Chat; Cancel() then ends that call with CANCELLED, and the server's turn with it. A token stays
// cancelled: a call that starts later with the same token ends at once. Any thread, but no signal handler (see
// client/command/interrupt.h for the way from a signal to here).
class CancelToken {
 public:
  CancelToken() = default;
  CancelToken(const CancelToken&) = delete;
  CancelToken& operator=(const CancelToken&) = delete;

  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_);
  bool cancelled() const ABSL_LOCKS_EXCLUDED(mutex_);

  // For ChatClient: ties the token to one call for as long as this object lives. `token` may be null; both must outlive
  // it. At most one call at a time for a token.
  class Binding {
   public:
    Binding(CancelToken* token, grpc::ClientContext* call);
    ~Binding();
    Binding(const Binding&) = delete;
    Binding& operator=(const Binding&) = delete;

   private:
    CancelToken* const token_;
  };

 private:
  mutable absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mutex_) = nullptr;  // not owned; set while a Binding lives
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_CANCEL_TOKEN_H_
