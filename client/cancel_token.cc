#include "client/cancel_token.h"

#include <utility>

namespace perennial {

void CancelToken::Cancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  if (on_cancel_) on_cancel_();
}

bool CancelToken::cancelled() const {
  absl::MutexLock lock(&mutex_);
  return cancelled_;
}

bool CancelToken::WaitFor(absl::Duration duration) const {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&cancelled_), duration);
}

CancelToken::Binding::Binding(CancelToken* token, std::function<void()> on_cancel) : token_(token) {
  if (token_ == nullptr) return;
  absl::MutexLock lock(&token_->mutex_);
  token_->on_cancel_ = std::move(on_cancel);
  if (token_->cancelled_) token_->on_cancel_();
}

CancelToken::Binding::~Binding() {
  if (token_ == nullptr) return;
  absl::MutexLock lock(&token_->mutex_);
  token_->on_cancel_ = nullptr;
}

}  // namespace perennial
