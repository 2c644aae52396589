#include "server/engine/turn_queue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "server/engine/error.h"

namespace perennial {

absl::Status TurnQueue::CheckRoom(const LiveSession& session) const {
  if (size() >= max_turns_) {
    return MakeError(ErrorReason::kQueueFull, absl::StrCat(max_turns_, " turns wait already, the most that may"),
                     retry_after_);
  }
  if (session.waiting_turns >= max_turns_per_session_) {
    return MakeError(ErrorReason::kQueueFull,
                     absl::StrCat(max_turns_per_session_, " turns wait for this session already, the most that may"),
                     retry_after_);
  }
  return absl::OkStatus();
}

void TurnQueue::Push(SubmittedTurn turn, LiveSession* session) {
  PERENNIAL_CHECK(CheckRoom(*session).ok());
  ++session->waiting_turns;
  turns_.push_back({std::move(turn), session, std::nullopt});
}

std::optional<TurnQueue::WaitingTurn> TurnQueue::PopAdmissible() {
  const auto first =
      std::find_if(turns_.begin(), turns_.end(), [](const WaitingTurn& waiting) { return !waiting.session->leased; });
  if (first == turns_.end()) return std::nullopt;
  return Take(first);
}

void TurnQueue::RemoveIf(const std::function<absl::Status(const WaitingTurn&)>& status_of,
                         const std::function<void(WaitingTurn, absl::Status)>& reject) {
  for (auto it = turns_.begin(); it != turns_.end();) {
    absl::Status status = status_of(*it);
    const auto here = it++;
    if (!status.ok()) reject(Take(here), std::move(status));
  }
}

void TurnQueue::TellPositions(absl::Duration heartbeat_interval, absl::Time now) {
  int32_t position = 0;
  for (WaitingTurn& waiting : turns_) {
    TurnOutput& output = waiting.turn.output;
    const bool moved = waiting.told_position != position;
    if (moved || now - output.last_sent() >= heartbeat_interval) {
      output.PollReadiness(now);
      if (!output.paused() && moved) {
        output.Send(TurnQueued{position}, now);
        waiting.told_position = position;
      } else if (!output.paused()) {
        output.SendHeartbeat({.queue_position = position}, now);
      }
    }
    ++position;
  }
}

absl::Time TurnQueue::NextWakeTime(absl::Duration heartbeat_interval) const {
  absl::Time next = absl::InfiniteFuture();
  for (const WaitingTurn& waiting : turns_) {
    next = std::min(next, waiting.turn.spec.deadline);
    // A paused client hears nothing: whoever reads for it wakes the engine.
    if (!waiting.turn.output.paused()) next = std::min(next, waiting.turn.output.last_sent() + heartbeat_interval);
  }
  return next;
}

TurnQueue::WaitingTurn TurnQueue::Take(std::list<WaitingTurn>::iterator it) {
  WaitingTurn waiting = std::move(*it);
  turns_.erase(it);
  --waiting.session->waiting_turns;
  return waiting;
}

}  // namespace perennial
