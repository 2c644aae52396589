// TurnLoop's phases Reap and Admit, and the ends of turns.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/error.h"
#include "server/engine/turn_loop.h"

namespace perennial {

bool TurnLoop::Reap() {
  const absl::Time now = clock_->Now();
  bool worked = ReapExpiredSessions(now);
  AnnounceDrain(now);
  worked |= ReapRunningTurns(now);
  worked |= ReapWaitingTurns(now);
  worked |= ReapDeletedSessions(now);
  return worked;
}

bool TurnLoop::ReapExpiredSessions(absl::Time now) {
  bool worked = false;
  while (LiveSession* session = sessions_.NextExpired(now)) {
    sessions_.Remove(session);
    ++stats_.sessions_expired;
    worked = true;
  }
  return worked;
}

void TurnLoop::AnnounceDrain(absl::Time now) {
  if (!std::exchange(announce_drain_, false)) return;
  const absl::Duration time_left = std::max(drain_deadline_ - now, absl::ZeroDuration());
  for (const std::unique_ptr<ActiveTurn>& turn : running_) turn->output().Send(TurnGoAway{time_left}, now);
}

bool TurnLoop::ReapRunningTurns(absl::Time now) {
  for (const std::unique_ptr<ActiveTurn>& turn : running_) {
    turn->output().PollReadiness(now);
    if (absl::Status why = WhyEnd(*turn, now); !why.ok()) {
      EndEarly(*turn, std::move(why), now);
    } else if (!turn->output().paused() && now - turn->output().last_sent() >= options_.heartbeat_interval) {
      turn->SendHeartbeat(now);
    }
  }
  const bool worked = !ended_.empty();
  RemoveEndedTurns();
  return worked;
}

bool TurnLoop::ReapWaitingTurns(absl::Time now) {
  bool worked = false;
  queue_.RemoveIf([&](const TurnQueue::WaitingTurn& waiting) { return WhyEnd(waiting.turn, waiting.session, now); },
                  [&](TurnQueue::WaitingTurn waiting, absl::Status why) {
                    LiveSession* session = waiting.session;
                    sessions_.UpdateExpiry(session, now);
                    if (session->ephemeral && !session->deleted) {
                      sessions_.Remove(session);
                      ++stats_.sessions_deleted;
                    }
                    Reject(std::move(waiting.turn), std::move(why), now);
                    worked = true;
                  });
  return worked;
}

bool TurnLoop::ReapDeletedSessions(absl::Time now) {
  const std::vector<Deletion> deletions = std::exchange(deletions_, {});
  for (const Deletion& deletion : deletions) {
    const SessionSummary last = deletion.session->Describe(now);
    sessions_.Remove(deletion.session);
    ++stats_.sessions_deleted;
    deletion.done(last);
  }
  return !deletions.empty();
}

absl::Status TurnLoop::WhyEnd(const ActiveTurn& turn, absl::Time now) const {
  if (turn.session()->deleted) return absl::CancelledError("the session was deleted");
  if (turn.ticket().cancelled()) return absl::CancelledError("the turn was cancelled");
  if (turn.spec().deadline <= now) return absl::DeadlineExceededError("the turn's deadline has passed");
  if (draining_ && drain_deadline_ <= now) return ShuttingDown();
  if (turn.output().paused() && now - turn.output().paused_since() >= options_.slow_reader_timeout) {
    return MakeError(ErrorReason::kSlowReader,
                     absl::StrCat("the client took no text for ", absl::FormatDuration(options_.slow_reader_timeout)));
  }
  return absl::OkStatus();
}

absl::Status TurnLoop::WhyEnd(const SubmittedTurn& turn, const LiveSession* session, absl::Time now) const {
  if (!turn.check.ok()) return turn.check;
  if (session != nullptr && session->deleted) return absl::CancelledError("the session was deleted");
  if (turn.ticket->cancelled()) return absl::CancelledError("the turn was cancelled");
  if (turn.spec.deadline <= now) return absl::DeadlineExceededError("the turn's deadline has passed");
  if (draining_) return ShuttingDown();
  return session == nullptr ? absl::OkStatus() : CheckExpectedTurn(turn.spec, *session);
}

absl::Status TurnLoop::CheckExpectedTurn(const TurnSpec& spec, const LiveSession& session) {
  if (spec.expected_turn.value_or(session.last_turn) == session.last_turn) return absl::OkStatus();
  return MakeError(ErrorReason::kStaleTurn, absl::StrCat("expected_turn: the session's last turn is ",
                                                         session.last_turn, ", not ", *spec.expected_turn));
}

bool TurnLoop::Admit() {
  const absl::Time now = clock_->Now();
  bool worked = AdmitWaiting(now);
  std::vector<SubmittedTurn> arrivals = std::exchange(arrivals_, {});
  for (SubmittedTurn& turn : arrivals) {
    Seat(std::move(turn), now);
    // At once: a turn that can run takes no place in the queue from the next one.
    AdmitWaiting(now);
    worked = true;
  }
  queue_.TellPositions(options_.heartbeat_interval, now);
  return worked;
}

void TurnLoop::Seat(SubmittedTurn turn, absl::Time now) {
  absl::Status why_not = WhyEnd(turn, nullptr, now);
  if (!why_not.ok()) return Reject(std::move(turn), std::move(why_not), now);
  absl::StatusOr<LiveSession*> session = SessionFor(turn, now);
  if (!session.ok()) return Reject(std::move(turn), session.status(), now);
  turn.tenant = tenants_.Enter(turn.spec.tenant);
  queue_.Push(std::move(turn), *session);
  sessions_.UpdateExpiry(*session, now);
}

absl::StatusOr<LiveSession*> TurnLoop::SessionFor(SubmittedTurn& turn, absl::Time now) {
  if (turn.spec.ephemeral.has_value()) {
    if (queue_.size() >= options_.max_waiting_turns) {
      return MakeError(ErrorReason::kQueueFull,
                       absl::StrCat(options_.max_waiting_turns, " turns wait already, the most that may"),
                       options_.retry_after);
    }
    absl::StatusOr<LiveSession*> session = sessions_.Create(*std::move(turn.spec.ephemeral), /*ephemeral=*/true, now);
    if (session.ok()) {
      ++stats_.sessions_created;
      turn.spec.session_id = (*session)->id;
    }
    return session;
  }
  LiveSession* session = sessions_.Find(turn.spec.session_id);
  if (session == nullptr || session->ephemeral) {
    return MakeError(ErrorReason::kSessionNotFound, "there is no such session; it may have expired or been deleted");
  }
  if (absl::Status stale = CheckExpectedTurn(turn.spec, *session); !stale.ok()) return stale;
  if (turn.spec.reject_if_busy && session->busy()) {
    return MakeError(ErrorReason::kTurnInProgress, "another turn of this session is running or waiting");
  }
  if (absl::Status room = queue_.CheckRoom(*session); !room.ok()) return room;
  return session;
}

bool TurnLoop::AdmitWaiting(absl::Time now) {
  bool worked = false;
  while (running_.size() < static_cast<size_t>(options_.max_running_turns)) {
    std::optional<TurnQueue::WaitingTurn> waiting = queue_.PopAdmissible();
    if (!waiting.has_value()) break;
    running_.push_back(
        std::make_unique<ActiveTurn>(std::move(waiting->turn), waiting->session, &model_, stats_.step_sessions, now));
    ++stats_.turns_started;
    worked = true;
  }
  return worked;
}

void TurnLoop::Reject(SubmittedTurn turn, absl::Status status, absl::Time now) {
  const bool cancelled = absl::IsCancelled(status) || absl::IsDeadlineExceeded(status);
  ++(cancelled ? stats_.turns_cancelled : stats_.turns_rejected);
  RejectTurn(std::move(turn), std::move(status), now);
}

void TurnLoop::EndEarly(ActiveTurn& turn, absl::Status status, absl::Time now) {
  const int64_t evicted_before = turn.usage().evicted_tokens;
  TurnResult result = turn.EndEarly(std::move(status), *model_.runner, now);
  stats_.evicted_tokens += result.usage.evicted_tokens - evicted_before;
  SendResult(turn, std::move(result), now);
}

void TurnLoop::DropSession(ActiveTurn& turn, const absl::Status& status, absl::Time now) {
  SendResult(turn, turn.Drop(status), now);
}

void TurnLoop::SendResult(ActiveTurn& turn, TurnResult result, absl::Time now) {
  ended_.push_back(&turn);
  LiveSession* session = turn.session();
  session->last_used = now;
  sessions_.UpdateExpiry(session, now);
  if (result.status.ok()) {
    ++stats_.turns_finished;
  } else if (absl::IsCancelled(result.status) || absl::IsDeadlineExceeded(result.status)) {
    ++stats_.turns_cancelled;
  } else {
    ++stats_.turns_failed;
  }
  if (session->deleted) {
    // ReapDeletedSessions forgets it, when its waiting turns have ended too.
  } else if (ReasonOf(result.status) == ErrorReason::kModelFailure) {
    ForgetSession(session, result.status, now);
    ++stats_.sessions_failed;
  } else if (session->ephemeral) {
    ForgetSession(session, absl::CancelledError("the session was deleted"), now);
    ++stats_.sessions_deleted;
  }
  turn.output().Finish(std::move(result));
}

void TurnLoop::ForgetSession(LiveSession* session, const absl::Status& status, absl::Time now) {
  queue_.RemoveIf(
      [&](const TurnQueue::WaitingTurn& waiting) { return waiting.session == session ? status : absl::OkStatus(); },
      [&](TurnQueue::WaitingTurn waiting, absl::Status why) { Reject(std::move(waiting.turn), std::move(why), now); });
  sessions_.Remove(session);
}

void TurnLoop::RemoveEndedTurns() {
  if (ended_.empty()) return;
  std::erase_if(running_, [this](const std::unique_ptr<ActiveTurn>& turn) {
    return std::find(ended_.begin(), ended_.end(), turn.get()) != ended_.end();
  });
  ended_.clear();
}

bool TurnLoop::AnswerDrained() {
  if (!draining_ || !running_.empty() || queue_.size() > 0 || !arrivals_.empty()) return false;
  const std::vector<std::function<void()>> drained = std::exchange(drained_, {});
  for (const std::function<void()>& done : drained) done();
  return !drained.empty();
}

}  // namespace perennial
