#include "server/text_worker.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/error.h"

namespace perennial {

TextWorker::TextWorker(int64_t inline_text_bytes, int32_t max_waiting, absl::Duration retry_after)
    : inline_text_bytes_(inline_text_bytes),
      max_waiting_(max_waiting),
      retry_after_(retry_after),
      thread_([this] { Work(); }) {}

TextWorker::~TextWorker() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

absl::Status TextWorker::Run(int64_t text_bytes, std::function<void()> task) {
  if (text_bytes <= inline_text_bytes_) {
    task();
    return absl::OkStatus();
  }
  absl::MutexLock lock(&mutex_);
  if (waiting_.size() >= static_cast<size_t>(max_waiting_)) {
    return MakeError(ErrorReason::kQueueFull,
                     absl::StrCat(max_waiting_, " long texts wait to be tokenized (limit max_waiting_texts)"),
                     retry_after_);
  }
  waiting_.push_back(std::move(task));
  return absl::OkStatus();
}

void TextWorker::Work() {
  while (true) {
    std::function<void()> task;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &TextWorker::HasWork));
      if (waiting_.empty()) return;
      task = std::move(waiting_.front());
      waiting_.pop_front();
    }
    task();
  }
}

}  // namespace perennial
