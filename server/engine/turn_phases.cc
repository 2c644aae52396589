// TurnLoop's phases Reap and Admit, and the ends of turns.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/budgets.h"
#include "server/engine/error.h"
#include "server/engine/spec_checks.h"
#include "server/engine/turn_loop.h"

namespace perennial {
namespace {

absl::Status SessionGone() { return MakeError(ErrorReason::kSessionNotFound, "the session expired or was deleted"); }

}  // namespace

bool TurnLoop::Reap() {
  const absl::Time now = clock_->Now();
  bool worked = ReapExpiredSessions(now);
  AnnounceDrain(now);
  worked |= ReapRunningTurns(now);
  worked |= ReapWaitingTurns(now);
  worked |= ReapDeletedSessions(now);
  worked |= ReapEndedTurns(now);
  return worked;
}

bool TurnLoop::ReapExpiredSessions(absl::Time now) {
  bool worked = false;
  while (LiveSession* session = sessions_.NextExpired(now)) {
    records_.ForgetSession(session->id);
    RemoveSession(session, SessionGone());
    ++stats_.sessions_expired;
    worked = true;
  }
  return worked;
}

void TurnLoop::AnnounceDrain(absl::Time now) {
  if (!std::exchange(announce_drain_, false)) return;
  const absl::Duration time_left = std::max(drain_deadline_ - now, absl::ZeroDuration());
  for (const std::unique_ptr<ActiveTurn>& turn : running_) turn->record().Send(TurnGoAway{time_left}, now);
}

bool TurnLoop::ReapRunningTurns(absl::Time now) {
  for (const std::unique_ptr<ActiveTurn>& turn : running_) {
    if (std::optional<EarlyEnd> why = WhyEnd(*turn, now); why.has_value()) {
      EndEarly(*turn, *std::move(why), now);
    } else if (turn->record().HeartbeatDue(now)) {
      turn->SendHeartbeat(now);
    }
  }
  const bool worked = !ended_.empty();
  RemoveEndedTurns();
  return worked;
}

bool TurnLoop::ReapWaitingTurns(absl::Time now) {
  bool worked = false;
  queue_.RemoveIf([&](const TurnQueue::WaitingTurn& waiting) { return WhyEnd(waiting.turn, *waiting.session, now); },
                  [&](TurnQueue::WaitingTurn waiting, EarlyEnd why) {
                    LeaveQueue(waiting.session, now);
                    Reject(std::move(waiting.turn), std::move(why), now);
                    worked = true;
                  });
  return worked;
}

void TurnLoop::LeaveQueue(LiveSession* session, absl::Time now) {
  sessions_.UpdateExpiry(session, now);
  if (!session->ephemeral || session->deleted) return;
  RemoveSession(session, SessionGone());
  ++stats_.sessions_deleted;
}

bool TurnLoop::ReapDeletedSessions(absl::Time now) {
  const std::vector<Deletion> deletions = std::exchange(deletions_, {});
  for (const Deletion& deletion : deletions) {
    const SessionSummary last = deletion.session->Describe(now);
    // Its texts go with it.
    records_.ForgetAllOfSession(last.id);
    request_ids_.ForgetScope(last.id);
    if (deletion.session->ephemeral) request_ids_.ForgetTurnsOf(last.id);
    RemoveSession(deletion.session, SessionGone());
    ++stats_.sessions_deleted;
    deletion.done(last);
  }
  return !deletions.empty();
}

bool TurnLoop::ReapEndedTurns(absl::Time now) {
  request_ids_.Expire(now);
  bool worked = records_.Poll(now);
  if (draining_ && drain_deadline_ <= now && records_.has_readers()) {
    records_.CutReaders(ShuttingDown(), now);
    worked = true;
  }
  return worked;
}

std::optional<EarlyEnd> TurnLoop::WhyEnd(const ActiveTurn& turn, absl::Time now) const {
  absl::Status readers = turn.record().Poll(now);
  if (turn.session()->deleted) return EarlyEnd{absl::CancelledError("the session was deleted")};
  if (!readers.ok()) return EarlyEnd{std::move(readers)};
  if (turn.record().cancel_requested()) return EarlyEnd{absl::OkStatus(), FinishReason::kCancelled};
  if (draining_ && drain_deadline_ <= now) return EarlyEnd{ShuttingDown()};
  if (turn.time_end().at <= now) return EarlyEnd{absl::OkStatus(), turn.time_end().reason};
  return std::nullopt;
}

std::optional<EarlyEnd> TurnLoop::WhyEnd(const SubmittedTurn& turn, const LiveSession& session, absl::Time now) const {
  absl::Status readers = turn.record->Poll(now);
  if (session.deleted) return EarlyEnd{absl::CancelledError("the session was deleted")};
  if (!readers.ok()) return EarlyEnd{std::move(readers)};
  if (turn.record->cancel_requested()) return EarlyEnd{absl::OkStatus(), FinishReason::kCancelled};
  if (draining_) return EarlyEnd{ShuttingDown()};
  if (absl::Status stale = CheckExpectedTurn(turn.spec, session); !stale.ok()) return EarlyEnd{std::move(stale)};
  if (IsUsedUpFor(turn.spec, session.budget, session.used)) {
    return EarlyEnd{absl::OkStatus(), FinishReason::kSessionBudget};
  }
  return std::nullopt;
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
  std::vector<AttachCall> new_readers = std::exchange(new_readers_, {});
  for (AttachCall& call : new_readers) {
    Follow(std::move(call), now);
    worked = true;
  }
  queue_.TellPositions(now);
  return worked;
}

void TurnLoop::Seat(SubmittedTurn turn, absl::Time now) {
  absl::Status why_not = turn.check;
  if (why_not.ok()) why_not = turn.record->Poll(now);
  if (why_not.ok() && draining_) why_not = ShuttingDown();
  if (!why_not.ok()) return Reject(std::move(turn), {std::move(why_not)}, now);
  if (RejoinEarlier(turn, now)) return;
  absl::StatusOr<LiveSession*> session = SessionFor(turn, now);
  if (!session.ok()) return Reject(std::move(turn), {session.status()}, now);
  request_ids_.Begin(RequestScope(turn.spec), turn.spec.request, turn.record);
  turn.spec.session_id = (*session)->id;
  turn.record->SetSession((*session)->id);
  if (IsUsedUpFor(turn.spec, (*session)->budget, (*session)->used)) {
    return Reject(std::move(turn), {absl::OkStatus(), FinishReason::kSessionBudget}, now);
  }
  turn.tenant = tenants_.Enter(turn.spec.tenant);
  const bool cancelled = turn.record->cancel_requested();
  queue_.Push(std::move(turn), *session);
  sessions_.UpdateExpiry(*session, now);
  if (cancelled) ReapWaitingTurns(now);
}

absl::StatusOr<LiveSession*> TurnLoop::SessionFor(SubmittedTurn& turn, absl::Time now) {
  if (turn.spec.ephemeral.has_value()) {
    if (queue_.size() >= options_.max_waiting_turns) {
      return MakeError(ErrorReason::kQueueFull,
                       absl::StrCat(options_.max_waiting_turns, " turns wait already, the most that may"),
                       options_.retry_after);
    }
    const SessionSpec& spec = *turn.spec.ephemeral;
    if (absl::Status fits = CheckMessageFits(turn.spec, spec.first_turn, spec.shape); !fits.ok()) return fits;
    absl::StatusOr<LiveSession*> session = sessions_.Create(*std::move(turn.spec.ephemeral), /*ephemeral=*/true, now);
    if (session.ok()) ++stats_.sessions_created;
    return session;
  }
  LiveSession* session = sessions_.Find(turn.spec.session_id);
  if (session == nullptr || session->ephemeral) return NoSuchSession();
  if (absl::Status stale = CheckExpectedTurn(turn.spec, *session); !stale.ok()) return stale;
  if (turn.spec.if_busy == IfBusy::kReject && session->busy()) {
    return MakeError(ErrorReason::kTurnInProgress, "another turn of this session is running or waiting");
  }
  const FirstTurn next = session->turns == 0 ? session->first_turn : FirstTurn::kUsual;
  if (absl::Status fits = CheckMessageFits(turn.spec, next, session->window.shape()); !fits.ok()) return fits;
  // Where others of the session wait, their places become free.
  absl::Status room = queue_.CheckRoom(*session);
  // A turn that its session's budget refuses interrupts nobody.
  if (turn.spec.if_busy == IfBusy::kInterrupt && (room.ok() || session->waiting_turns > 0) &&
      !IsUsedUpFor(turn.spec, session->budget, session->used)) {
    Interrupt(session, now);
    room = absl::OkStatus();
  }
  if (!room.ok()) return room;
  return session;
}

bool TurnLoop::AdmitWaiting(absl::Time now) {
  bool worked = ProvideCaches(now);
  // Turns whose clients do not read hold their sessions, but no place.
  auto places = options_.max_running_turns - std::count_if(running_.begin(), running_.end(),
                                                           [](const auto& turn) { return !turn->record().paused(); });
  for (; places > 0; --places) {
    std::optional<TurnQueue::WaitingTurn> waiting = queue_.PopAdmissible();
    if (!waiting.has_value()) break;
    running_.push_back(std::make_unique<ActiveTurn>(std::move(waiting->turn), waiting->session, &model_, &options_,
                                                    stats_.step_sessions, now));
    records_.Add(running_.back()->submitted().record);
    ++stats_.turns_started;
    worked = true;
  }
  return worked;
}

void TurnLoop::Reject(SubmittedTurn turn, EarlyEnd why, absl::Time now) {
  const bool cancelled = why.status.ok() ? why.reason == FinishReason::kCancelled
                                         : absl::IsCancelled(why.status) || absl::IsDeadlineExceeded(why.status);
  ++(cancelled ? stats_.turns_cancelled : stats_.turns_rejected);
  FinishRecord(turn, ResultOfRejected(turn, std::move(why), now), now);
}

void TurnLoop::EndEarly(ActiveTurn& turn, EarlyEnd why, absl::Time now) {
  const int64_t evicted_before = turn.usage().evicted_tokens;
  TurnResult result = turn.EndEarly(std::move(why), *model_.runner, now);
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
  session->used.time += now - turn.admitted();
  sessions_.UpdateExpiry(session, now);
  if (result.status.ok()) {
    ++(result.reason == FinishReason::kCancelled ? stats_.turns_cancelled : stats_.turns_finished);
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
  FinishRecord(turn.submitted(), std::move(result), now);
}

void TurnLoop::FinishRecord(const SubmittedTurn& turn, TurnResult result, absl::Time now) {
  const std::string scope = RequestScope(turn.spec);
  const std::string& id = turn.spec.request.id;
  // The id may be another turn's: then this one was refused for it.
  const bool has_id = request_ids_.FindTurn(scope, id) == turn.record;
  // What left no trace may be asked for again under the same id.
  const bool no_trace = !result.status.ok() && result.usage.generated_tokens == 0;
  if (has_id && no_trace) request_ids_.Forget(scope, id);
  if (has_id && !no_trace) request_ids_.End(scope, id, now);
  const bool keep = has_id ? !no_trace : sessions_.Find(turn.spec.session_id) != nullptr;
  const std::shared_ptr<TurnRecord> record = turn.record;
  record->Finish(std::move(result));
  if (keep) {
    records_.Keep(record, /*found_by_request=*/has_id, now);
  } else {
    records_.Drop(record);
  }
}

void TurnLoop::ForgetSession(LiveSession* session, const absl::Status& status, absl::Time now) {
  queue_.RemoveIf(
      [session, &status](const TurnQueue::WaitingTurn& waiting) {
        return waiting.session == session ? std::optional<EarlyEnd>(EarlyEnd{status}) : std::nullopt;
      },
      [&](TurnQueue::WaitingTurn waiting, EarlyEnd why) { Reject(std::move(waiting.turn), std::move(why), now); });
  records_.ForgetSession(session->id);
  RemoveSession(session, status);
}

void TurnLoop::RemoveSession(LiveSession* session, const absl::Status& status) {
  note_rewrites_.Forget(session, status);
  for (LiveSession* fork : supply_.Forget(session)) {
    if (fork != session) AnswerFork(fork, nullptr, status, clock_->Now());
  }
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
  if (!new_readers_.empty() || records_.has_readers()) return false;
  const std::vector<std::function<void()>> drained = std::exchange(drained_, {});
  for (const std::function<void()>& done : drained) done();
  return !drained.empty();
}

}  // namespace perennial
