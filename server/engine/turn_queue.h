// Turns that wait to be admitted: first come, first served, except that a turn whose session is leased lets others
// pass.

#ifndef PERENNIAL_SERVER_ENGINE_TURN_QUEUE_H_
#define PERENNIAL_SERVER_ENGINE_TURN_QUEUE_H_

#include <cstdint>
#include <functional>
#include <list>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/engine/live_session.h"
#include "server/engine/submitted_turn.h"

namespace perennial {

// Engine thread only. Fair: of two turns that could be admitted, the one that came first is; a session's turns are
// admitted in the order in which they came. Keeps LiveSession::waiting_turns.
class TurnQueue {
 public:
  struct WaitingTurn {
    SubmittedTurn turn;
    LiveSession* session;
    std::optional<int32_t> told_position = std::nullopt;  // of the last TurnQueued
  };

  // `retry_after`: the hint in QUEUE_FULL.
  TurnQueue(int32_t max_turns, int32_t max_turns_per_session, absl::Duration retry_after)
      : max_turns_(max_turns), max_turns_per_session_(max_turns_per_session), retry_after_(retry_after) {}

  // QUEUE_FULL if a turn for `session` has no room.
  absl::Status CheckRoom(const LiveSession& session) const;

  // REQUIRES: CheckRoom(*session) is OK.
  void Push(SubmittedTurn turn, LiveSession* session);

  // The first turn whose session is not leased.
  std::optional<WaitingTurn> PopAdmissible();

  // Takes out every turn for which `status_of` is not OK, and hands it with that status to `reject`.
  void RemoveIf(const std::function<absl::Status(const WaitingTurn&)>& status_of,
                const std::function<void(WaitingTurn, absl::Status)>& reject);

  // Tells every client that reads and whose position has changed: TurnQueued. Then heartbeats to those who heard
  // nothing for `heartbeat_interval`.
  void TellPositions(absl::Duration heartbeat_interval, absl::Time now);

  // When a deadline or a heartbeat is due next; InfiniteFuture if nothing waits.
  absl::Time NextWakeTime(absl::Duration heartbeat_interval) const;

  int64_t size() const { return static_cast<int64_t>(turns_.size()); }

 private:
  WaitingTurn Take(std::list<WaitingTurn>::iterator it);

  const int32_t max_turns_;
  const int32_t max_turns_per_session_;
  const absl::Duration retry_after_;
  std::list<WaitingTurn> turns_;  // in the order in which they came
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_TURN_QUEUE_H_
