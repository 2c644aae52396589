#include "tests/simulation/follower.h"

#include <variant>

#include "gtest/gtest.h"
#include "server/engine/error.h"

namespace perennial {

void Follower::OnEvent(TurnEvent event) {
  EXPECT_FALSE(finished_) << "an event after the end: " << ToText(event);
  const bool is_state = std::holds_alternative<TurnState>(event.event);
  EXPECT_EQ(is_state, kind_ == Kind::kAttached && !told_anything_) << ToText(event);
  EXPECT_TRUE(reads_ || is_state) << "told while it does not read: " << ToText(event);
  if (std::holds_alternative<TurnHeartbeat>(event.event)) {
    // After the state of a turn that was caught up with, the last number is the state's.
    if (last_sequence_ > 0 || kind_ != Kind::kAttached) {
      EXPECT_EQ(event.sequence, last_sequence_) << "a heartbeat repeats the last number";
    }
  } else if (const auto* state = std::get_if<TurnState>(&event.event)) {
    // From the oldest event that is kept; where none is, from the next one.
    if (wanted == kOldest) wanted = state->oldest_sequence > 0 ? state->oldest_sequence : state->newest_sequence + 1;
  } else {
    EXPECT_EQ(event.sequence, last_sequence_ > 0 ? last_sequence_ + 1 : wanted) << "a gap: " << ToText(event);
    last_sequence_ = event.sequence;
    if (story == nullptr) untold_.push_back(event);
  }
  told_anything_ = true;
  listener_->OnEvent(*this, event);
}

void Follower::OnFinish(TurnResult result) {
  EXPECT_FALSE(finished_) << "a second end: " << ToText(result);
  finished_ = true;
  // A turn that ends because its reader left, or was too slow, does not wait for it to read the rest.
  const bool lost = absl::IsCancelled(result.status) || absl::IsDeadlineExceeded(result.status) ||
                    ReasonOf(result.status) == ErrorReason::kSlowReader;
  if (!lost && last_sequence_ > 0) {
    EXPECT_EQ(result.sequence, last_sequence_ + 1) << "a gap: " << ToText(result);
  } else if (!lost && told_anything_ && wanted != kOldest) {
    // Who asks for what comes after the end is told the end.
    EXPECT_TRUE(result.sequence == wanted || result.sequence == wanted - 1) << wanted << ": " << ToText(result);
  }
  EXPECT_GT(result.sequence, last_sequence_ - 1) << ToText(result);
  listener_->OnEnd(*this, result);
}

}  // namespace perennial
