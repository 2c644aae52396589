// Turns that wait to be admitted: by priority, then by tenant in turn, then first come, first served; a turn whose
// session is leased, or whose cache is elsewhere, lets others pass.
//
// Promises (tested exhaustively over small worlds). A turn is admissible if its session is not leased, has its cache
// (CacheSupply), and has no earlier turn in the queue. Of the admissible turns:
//   * A session's turns are admitted in the order in which they came.
//   * Of one tenant and one priority, the one that came first is admitted first.
//   * Of one priority, at most one turn of each other tenant is admitted before a tenant's next one.
//   * Interactive turns come before batch turns, but at most kBatchShare - 1 of them pass over one.
// So the n-th turn of its tenant and priority is admitted after at most n * T - 1 others of its priority, where T is
// the number of tenants: an interactive one after (n * T - 1) * 4 / 3 + 1 turns in all, a batch one after n * T * 4
// - 1.

#ifndef PERENNIAL_SERVER_ENGINE_TURN_QUEUE_H_
#define PERENNIAL_SERVER_ENGINE_TURN_QUEUE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/engine/live_session.h"
#include "server/engine/submitted_turn.h"
#include "server/engine/tenant_rounds.h"

namespace perennial {

// Engine thread only. Keeps LiveSession::waiting_turns.
class TurnQueue {
 public:
  struct WaitingTurn {
    SubmittedTurn turn;
    LiveSession* session;
    int64_t arrival = 0;
    bool first_of_session = true;                         // no earlier turn of its session waits
    int32_t position = 0;                                 // turns that will be admitted before it, as things stand
    std::optional<int32_t> told_position = std::nullopt;  // of the last TurnQueued
  };

  // `retry_after`: the hint in QUEUE_FULL.
  TurnQueue(int32_t max_turns, int32_t max_turns_per_session, absl::Duration retry_after)
      : max_turns_(max_turns), max_turns_per_session_(max_turns_per_session), retry_after_(retry_after) {}

  // QUEUE_FULL if a turn for `session` has no room.
  absl::Status CheckRoom(const LiveSession& session) const;

  // `turn` has its tenant's number. REQUIRES: CheckRoom(*session) is OK.
  void Push(SubmittedTurn turn, LiveSession* session);

  // The admissible turn whose turn it is.
  std::optional<WaitingTurn> PopAdmissible();

  // The session whose cache is to be brought in next, so that its turn can be admitted; nullptr if no turn waits for a
  // cache. In the same order, but that every kBatchShare-th call names the one whose turn came first: no turn waits for
  // ever, whoever comes later.
  LiveSession* NextWithoutCache();

  // What the next turn's LiveSession::first_arrival would be: turns are counted as they come.
  int64_t next_arrival() const { return next_arrival_; }

  // Takes out every turn that `why_end` gives a reason to end, and hands it with that to `reject`.
  void RemoveIf(const std::function<std::optional<EarlyEnd>(const WaitingTurn&)>& why_end,
                const std::function<void(WaitingTurn, EarlyEnd)>& reject);

  // Tells every turn that is not paused and whose position has changed: TurnQueued. Then heartbeats where one is due.
  // Positions are those of a queue to which nobody comes any more and in which no session is leased: others that pass,
  // or come and go first, change them in both directions.
  void TellPositions(absl::Time now);

  // When something is due for a reader of a waiting turn; InfiniteFuture if nothing waits.
  absl::Time NextWakeTime() const;

  // In the order in which they came.
  void ForEach(const std::function<void(const WaitingTurn&)>& visit) const;

  // Turns that wait without any reader.
  int64_t num_detached() const;
  // Events kept for replay, of all turns that wait.
  int64_t replay_bytes() const;

  int64_t size() const { return static_cast<int64_t>(turns_.size()); }

 private:
  using Iterator = std::list<WaitingTurn>::iterator;

  WaitingTurn Take(Iterator it);
  // The next turns, interactive and batch, whose sessions are `eligible`; end() if there is none.
  std::array<Iterator, 2> NextOf(bool (*eligible)(const LiveSession&));
  bool IsBatchNext(const std::array<Iterator, 2>& next) const;
  TenantRounds& RoundsOf(Priority priority) { return rounds_[priority == Priority::kBatch ? 1 : 0]; }
  // Computes all positions: a rehearsal of the admissions.
  void UpdatePositions();

  const int32_t max_turns_;
  const int32_t max_turns_per_session_;
  const absl::Duration retry_after_;
  std::list<WaitingTurn> turns_;        // in the order in which they came
  std::array<TenantRounds, 2> rounds_;  // by priority
  int32_t passed_over_ = 0;             // interactive turns admitted since a batch turn was, past admissible ones
  bool positions_are_current_ = true;
  int64_t next_arrival_ = 1;
  int64_t caches_named_ = 0;  // by NextWithoutCache
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_TURN_QUEUE_H_
