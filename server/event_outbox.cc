#include "server/event_outbox.h"

#include <utility>

#include "model/check.h"

namespace perennial {
namespace {

int64_t Bytes(const v1::TurnEvent& event) { return static_cast<int64_t>(event.ByteSizeLong()); }

}  // namespace

void EventOutbox::Push(v1::TurnEvent event) {
  const int64_t bytes = Bytes(event);
  waiting_bytes_ += bytes;
  if (!waiting_.empty() && waiting_.back().event.event_case() == event.event_case()) {
    Waiting& last = waiting_.back();
    if (event.has_delta()) {
      v1::Delta& delta = *last.event.mutable_delta();
      delta.mutable_text()->append(event.delta().text());
      delta.set_tokens(delta.tokens() + event.delta().tokens());
      delta.mutable_logprobs()->MergeFrom(event.delta().logprobs());
      last.event.set_sequence(event.sequence());
      last.bytes += bytes;
      return;
    }
    if (event.has_heartbeat()) {
      waiting_bytes_ -= last.bytes;
      last = {std::move(event), bytes};
      return;
    }
  }
  waiting_.push_back({std::move(event), bytes});
}

v1::TurnEvent EventOutbox::TakeNext() {
  PERENNIAL_CHECK(!waiting_.empty());
  PERENNIAL_CHECK(in_flight_bytes_ == 0);
  Waiting next = std::move(waiting_.front());
  waiting_.pop_front();
  in_flight_bytes_ = next.bytes;
  waiting_bytes_ -= next.bytes;
  return std::move(next.event);
}

void EventOutbox::DropWaiting() {
  waiting_.clear();
  waiting_bytes_ = 0;
}

}  // namespace perennial
