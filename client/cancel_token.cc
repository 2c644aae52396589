#include "client/cancel_token.h"

#include <grpcpp/client_context.h>

namespace perennial {

void CancelToken::Cancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  if (call_ != nullptr) call_->TryCancel();
}

bool CancelToken::cancelled() const {
  absl::MutexLock lock(&mutex_);
  return cancelled_;
}

CancelToken::Binding::Binding(CancelToken* token, grpc::ClientContext* call) : token_(token) {
  if (token_ == nullptr) return;
  absl::MutexLock lock(&token_->mutex_);
  token_->call_ = call;
  // gRPC remembers a cancellation that comes before the call has begun.
  if (token_->cancelled_) call->TryCancel();
}

CancelToken::Binding::~Binding() {
  if (token_ == nullptr) return;
  absl::MutexLock lock(&token_->mutex_);
  token_->call_ = nullptr;
}

}  // namespace perennial
