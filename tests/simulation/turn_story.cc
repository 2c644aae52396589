#include "tests/simulation/turn_story.h"

#include <algorithm>
#include <cstddef>
#include <variant>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

std::string ToText(const SessionMemory& memory) {
  return absl::StrCat(memory.stream_tokens, "/", memory.visible_tokens, "/", memory.forgotten_tokens, " horizon ",
                      memory.horizon_token, " in ", memory.horizon_turn);
}

struct PayloadText {
  std::string operator()(const TurnState& state) const {
    return absl::StrCat("state of turn ", state.turn, ": ", state.oldest_sequence, " … ", state.newest_sequence);
  }
  std::string operator()(const TurnQueued& queued) const { return absl::StrCat("queued ", queued.position); }
  std::string operator()(const TurnStarted& started) const {
    return absl::StrCat("started ", started.session_id, " turn ", started.turn, " prompt ", started.prompt_tokens, " ",
                        ToText(started.memory));
  }
  std::string operator()(const TurnDelta& delta) const {
    return absl::StrCat("delta \"", delta.text, "\" of ", delta.tokens, " with ", delta.logprobs.size());
  }
  std::string operator()(const TurnEvicted& evicted) const {
    return absl::StrCat("evicted ", evicted.first_token, " … ", evicted.end_token, " turns ", evicted.first_turn, " … ",
                        evicted.last_turn, " for ", static_cast<int>(evicted.reason), " ", ToText(evicted.memory));
  }
  std::string operator()(const TurnWillEvict& notice) const {
    return absl::StrCat("will evict in ", notice.in_tokens, " turns ", notice.first_turn, " … ", notice.last_turn);
  }
  std::string operator()(const TurnHeartbeat& heartbeat) const {
    return absl::StrCat("heartbeat ", heartbeat.queue_position, " ", heartbeat.prompt_tokens_fed);
  }
  std::string operator()(const TurnGoAway& go_away) const {
    return absl::StrCat("go away ", absl::FormatDuration(go_away.time_left));
  }
};

}  // namespace

bool EndedByItself(const TurnResult& result) {
  if (!result.status.ok()) return false;
  switch (result.reason) {
    case FinishReason::kCancelled:
    case FinishReason::kRepetition:
    case FinishReason::kTurnBudget:
    case FinishReason::kSessionBudget:
      return false;
    default:
      return true;
  }
}

std::string ToText(const TurnEvent& event) {
  return absl::StrCat(event.sequence, ": ", std::visit(PayloadText{}, event.event));
}

std::string ToText(const TurnResult& result) {
  return absl::StrCat(result.sequence, ": end, ", result.status.ToString(), " reason ", static_cast<int>(result.reason),
                      " stop \"", result.stop, "\" turn ", result.turn, " fed ", result.usage.fed_tokens, " generated ",
                      result.usage.generated_tokens, " evicted ", result.usage.evicted_tokens, " ",
                      ToText(result.memory));
}

void TurnStory::Tell(const TurnEvent& event) {
  ASSERT_GE(event.sequence, 1);
  const auto index = static_cast<size_t>(event.sequence - 1);
  if (events.size() <= index) events.resize(index + 1);
  if (!events[index].has_value()) {
    events[index] = event;
  } else {
    EXPECT_EQ(ToText(*events[index]), ToText(event)) << "two readers of a turn were told different things";
  }
  if (end.has_value()) {
    EXPECT_LT(event.sequence, end->sequence) << "an event after the end";
  }
}

bool TurnStory::TellEnd(const TurnResult& result) {
  if (end.has_value()) {
    EXPECT_EQ(ToText(*end), ToText(result)) << "two readers of a turn were told different ends";
    return false;
  }
  EXPECT_GT(result.sequence, static_cast<int64_t>(events.size())) << "an event after the end";
  end = result;
  return true;
}

bool TurnStory::complete() const { return end.has_value() && first_unseen() == end->sequence; }

std::string TurnStory::text() const {
  std::string text;
  for (const std::optional<TurnEvent>& event : events) {
    if (!event.has_value()) continue;
    if (const auto* delta = std::get_if<TurnDelta>(&event->event)) text += delta->text;
  }
  return text;
}

int64_t TurnStory::first_unseen() const {
  const auto unseen = std::find(events.begin(), events.end(), std::nullopt);
  return unseen - events.begin() + 1;
}

}  // namespace perennial
