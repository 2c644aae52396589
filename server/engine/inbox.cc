#include "server/engine/inbox.h"

#include <type_traits>
#include <utility>

namespace perennial {

Inbox::PutResult Inbox::Put(InboxItem& item) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return PutResult::kClosed;
  if (std::holds_alternative<SubmittedTurn>(item)) {
    if (num_turns_ == max_turns_) return PutResult::kFull;
    ++num_turns_;
  } else if (!std::holds_alternative<DrainCall>(item)) {
    if (num_calls_ == max_calls_) return PutResult::kFull;
    ++num_calls_;
  }
  items_.push_back(std::move(item));
  awake_ = true;
  return PutResult::kTaken;
}

std::vector<InboxItem> Inbox::TakeAll() {
  absl::MutexLock lock(&mutex_);
  awake_ = false;
  num_turns_ = 0;
  num_calls_ = 0;
  return std::exchange(items_, {});
}

void Inbox::Wake() {
  absl::MutexLock lock(&mutex_);
  awake_ = true;
}

bool Inbox::awake() const {
  absl::MutexLock lock(&mutex_);
  return awake_;
}

void Inbox::Wait(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&awake_), timeout);
}

void Inbox::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  awake_ = true;
}

bool Inbox::closed() const {
  absl::MutexLock lock(&mutex_);
  return closed_;
}

void AnswerWith(const absl::Status& status, InboxItem item, absl::Time now) {
  std::visit(
      [&](auto& call) {
        using Call = std::decay_t<decltype(call)>;
        if constexpr (std::is_same_v<Call, SubmittedTurn>) {
          call.record->Finish(ResultOfRejected(call, {status}, now));
        } else if constexpr (std::is_same_v<Call, AttachCall>) {
          TurnResult result;
          result.status = status;
          result.session_id = call.spec.turn.session_id;
          call.reader.Finish(std::move(result));
        } else if constexpr (std::is_same_v<Call, DrainCall>) {
          if (call.done) call.done();
        } else {
          call.done(status);
        }
      },
      item);
}

}  // namespace perennial
