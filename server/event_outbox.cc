#include "server/event_outbox.h"

#include <utility>

#include "model/check.h"

namespace perennial {
namespace {

int64_t Bytes(const v1::TurnEvent& event) { return static_cast<int64_t>(event.ByteSizeLong()); }

}  // namespace

void EventOutbox::Push(v1::TurnEvent event) {
  if (!waiting_.empty() && waiting_.back().event_case() == event.event_case()) {
    v1::TurnEvent& last = waiting_.back();
    if (event.has_delta()) {
      const int64_t bytes = Bytes(last);
      last.mutable_delta()->mutable_text()->append(event.delta().text());
      last.mutable_delta()->set_tokens(last.delta().tokens() + event.delta().tokens());
      last.mutable_delta()->mutable_logprobs()->MergeFrom(event.delta().logprobs());
      last.set_sequence(event.sequence());
      waiting_bytes_ += Bytes(last) - bytes;
      return;
    }
    if (event.has_heartbeat()) {
      waiting_bytes_ += Bytes(event) - Bytes(last);
      last = std::move(event);
      return;
    }
  }
  waiting_bytes_ += Bytes(event);
  waiting_.push_back(std::move(event));
}

v1::TurnEvent EventOutbox::TakeNext() {
  PERENNIAL_CHECK(!waiting_.empty());
  PERENNIAL_CHECK(in_flight_bytes_ == 0);
  v1::TurnEvent event = std::move(waiting_.front());
  waiting_.pop_front();
  in_flight_bytes_ = Bytes(event);
  waiting_bytes_ -= in_flight_bytes_;
  return event;
}

void EventOutbox::DropWaiting() {
  waiting_.clear();
  waiting_bytes_ = 0;
}

}  // namespace perennial
