#include "client/turn_stop.h"

#include <chrono>
#include <utility>

namespace perennial {
namespace {

constexpr int kMaxAttempts = 3;

}  // namespace

TurnStop::TurnStop(v1::ChatService::Stub& service, std::string route, absl::Duration timeout,
                   v1::CancelTurnRequest target)
    : service_(service), route_(std::move(route)), timeout_(timeout), target_(std::move(target)) {}

TurnStop::~TurnStop() {
  absl::MutexLock lock(&mutex_);
  const auto answered = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return cancel_call_ == nullptr; };
  mutex_.Await(absl::Condition(&answered));
}

void TurnStop::Stop() {
  absl::MutexLock lock(&mutex_);
  if (std::exchange(wanted_, true) || target_.request_id().empty()) {
    Cut();
  } else {
    SendCancelTurn();
  }
}

void TurnStop::OnEvent() {
  absl::MutexLock lock(&mutex_);
  seen_event_ = true;
  if (std::exchange(missed_, false)) SendCancelTurn();
}

void TurnStop::AddRoute(grpc::ClientContext& context) const { context.AddMetadata("x-session-route", route_); }

void TurnStop::SendCancelTurn() {
  ++attempts_;
  cancel_call_ = std::make_unique<grpc::ClientContext>();
  AddRoute(*cancel_call_);
  cancel_call_->set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout_));
  answer_.Clear();
  service_.async()->CancelTurn(cancel_call_.get(), &target_, &answer_,
                               [this](const grpc::Status& status) { OnAnswer(status); });
}

void TurnStop::OnAnswer(const grpc::Status& status) {
  absl::MutexLock lock(&mutex_);
  cancel_call_.reset();
  if (status.ok() && answer_.cancelled_turns() > 0) return;
  if (!seen_event_) {
    missed_ = true;  // perhaps it overtook the turn
  } else if (status.ok() || status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    // Nothing to cancel: the turn has just ended, or it was admitted after CancelTurn had looked.
    if (attempts_ < kMaxAttempts) SendCancelTurn();
  } else {
    Cut();
  }
}

void TurnStop::Cut() {
  cut_ = true;
  if (stream_ != nullptr) stream_->TryCancel();
  if (cancel_call_ != nullptr) cancel_call_->TryCancel();
}

TurnStop::Stream::Stream(TurnStop& stop) : stop_(stop) {
  stop_.AddRoute(context);
  absl::MutexLock lock(&stop_.mutex_);
  stop_.stream_ = &context;
  // gRPC remembers a cancellation that comes before the call has begun.
  if (stop_.cut_) context.TryCancel();
}

TurnStop::Stream::~Stream() {
  absl::MutexLock lock(&stop_.mutex_);
  stop_.stream_ = nullptr;
}

}  // namespace perennial
