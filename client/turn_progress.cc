#include "client/turn_progress.h"

namespace perennial {

EventFate TurnProgress::Take(const v1::TurnEvent& event) {
  // Both repeat the number of another event.
  if (event.has_state() || event.has_heartbeat()) return EventFate::kShow;
  if (event.has_started()) started_ = true;
  if (event.sequence() <= 0) {
    resumable_ = false;
    return EventFate::kShow;
  }
  const int64_t first = event.first_sequence() > 0 ? event.first_sequence() : event.sequence();
  if (event.sequence() <= last_) return EventFate::kSkip;
  if (anywhere_) {
    anywhere_ = false;
    last_ = first - 1;
  }
  if (first != last_ + 1) return EventFate::kAskAgain;
  last_ = event.sequence();
  any_read_ = true;
  return EventFate::kShow;
}

}  // namespace perennial
