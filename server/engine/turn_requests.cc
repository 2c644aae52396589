// TurnLoop's calls about turns: who comes back, who follows, who cancels.

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/error.h"
#include "server/engine/turn_loop.h"

namespace perennial {

void TurnLoop::TakeCall(SubmittedTurn turn) { arrivals_.push_back(std::move(turn)); }

// After the turns that came before it have a place.
void TurnLoop::TakeCall(AttachCall call) { new_readers_.push_back(std::move(call)); }

void TurnLoop::TakeCall(CancelTurnCall call) {
  if (!call.check.ok()) return call.done(std::move(call.check));
  const TurnAddress& address = call.turn;
  int32_t cancelled = 0;
  const auto cancel = [&cancelled](TurnRecord& record) { cancelled += record.RequestCancel() ? 1 : 0; };
  const bool all = address.turn == 0 && address.request_id.empty();
  if (!all) {
    if (const auto record = FindTurn(address); record.ok()) {
      cancel(**record);
    } else if (ReasonOf(record.status()) == ErrorReason::kSessionNotFound) {
      return call.done(record.status());
    }
  } else {
    if (sessions_.Find(address.session_id) == nullptr) return call.done(NoSuchSession());
    for (const std::unique_ptr<ActiveTurn>& turn : running_) {
      if (turn->session()->id == address.session_id) cancel(turn->record());
    }
    queue_.ForEach([&](const TurnQueue::WaitingTurn& waiting) {
      if (waiting.session->id == address.session_id) cancel(*waiting.turn.record);
    });
  }
  // Those that have no place yet; a retry is no turn of its own.
  std::set<std::string> ids;
  for (const SubmittedTurn& turn : arrivals_) {
    const std::string& id = turn.spec.request.id;
    if (RequestScope(turn.spec) != address.session_id) continue;
    if (!all && (address.turn != 0 || id != address.request_id)) continue;
    if (!id.empty() && (request_ids_.FindTurn(address.session_id, id) != nullptr || !ids.insert(id).second)) continue;
    cancel(*turn.record);
  }
  call.done(cancelled);
}

bool TurnLoop::AnswerRetry(const std::string& scope, const RequestTag& request,
                           const Engine::Done<SessionSummary>& done) {
  const absl::StatusOr<const RequestIds::Outcome*> earlier = request_ids_.Find(scope, request);
  if (earlier.ok() && *earlier == nullptr) return false;
  if (!earlier.ok()) {
    done(earlier.status());
  } else if (const auto* id = std::get_if<std::string>(*earlier); id == nullptr) {
    done(MakeError(ErrorReason::kRequestIdReused, "request_id: a turn came with the same id before"));
  } else if (OpenFork* const fork = FindOpenFork(*id); fork != nullptr) {
    fork->waiting.push_back(done);
  } else if (const LiveSession* session = sessions_.Find(*id); session != nullptr) {
    done(session->Describe(clock_->Now()));
  } else {
    done(NoSuchSession());
  }
  return true;
}

void TurnLoop::RememberSession(const std::string& scope, const RequestTag& request, const LiveSession& session,
                               absl::Time now) {
  request_ids_.Begin(scope, request, session.id);
  request_ids_.End(scope, request.id, now);
}

// True if `turn` is no turn of its own: its reader now follows the one that came before, or has its end.
bool TurnLoop::RejoinEarlier(SubmittedTurn& turn, absl::Time now) {
  const absl::StatusOr<const RequestIds::Outcome*> earlier =
      request_ids_.Find(RequestScope(turn.spec), turn.spec.request);
  if (!earlier.ok()) {
    Reject(std::move(turn), {earlier.status()}, now);
    return true;
  }
  if (*earlier == nullptr) return false;
  const auto* record = std::get_if<std::shared_ptr<TurnRecord>>(*earlier);
  if (record == nullptr) {
    Reject(std::move(turn),
           {MakeError(ErrorReason::kRequestIdReused, "request_id: a session was made with the same id before")}, now);
    return true;
  }
  ++stats_.turns_rejoined;
  // One that has left already needs no turn.
  if (turn.record->has_readers()) (*record)->Rejoin(turn.record->ReleaseStarter(), turn.spec.on_disconnect);
  if ((*record)->ended()) records_.Follow(*record);
  return true;
}

void TurnLoop::Interrupt(LiveSession* session, absl::Time now) {
  for (const std::unique_ptr<ActiveTurn>& turn : running_) {
    if (turn->session() == session) turn->record().RequestCancel();
  }
  queue_.RemoveIf(
      [session](const TurnQueue::WaitingTurn& waiting) {
        return waiting.session == session
                   ? std::optional<EarlyEnd>(EarlyEnd{absl::OkStatus(), FinishReason::kCancelled})
                   : std::nullopt;
      },
      [&](TurnQueue::WaitingTurn waiting, EarlyEnd why) { Reject(std::move(waiting.turn), std::move(why), now); });
  sessions_.UpdateExpiry(session, now);
}

void TurnLoop::Follow(AttachCall call, absl::Time now) {
  absl::Status why_not = call.check;
  if (why_not.ok()) why_not = call.reader.WhyGone(now);
  if (why_not.ok() && draining_ && drain_deadline_ <= now) why_not = ShuttingDown();
  std::shared_ptr<TurnRecord> record;
  if (why_not.ok()) {
    absl::StatusOr<std::shared_ptr<TurnRecord>> found = FindTurn(call.spec.turn);
    why_not = found.status();
    if (found.ok()) record = *std::move(found);
  }
  if (record == nullptr) {
    TurnResult result;
    result.status = std::move(why_not);
    result.session_id = call.spec.turn.session_id;
    return call.reader.Finish(std::move(result));
  }
  const bool paces = call.spec.turn.turn == 0;  // it knows the request id
  record->Attach(std::move(call.reader), call.spec.from_sequence, call.spec.from_oldest, paces);
  if (record->ended()) records_.Follow(record);
}

absl::StatusOr<std::shared_ptr<TurnRecord>> TurnLoop::FindTurn(const TurnAddress& address) const {
  std::shared_ptr<TurnRecord> record = address.turn != 0
                                           ? records_.Find(address.session_id, address.turn)
                                           : request_ids_.FindTurn(address.session_id, address.request_id);
  if (record != nullptr) return record;
  const LiveSession* session = sessions_.Find(address.session_id);
  if (session == nullptr && !address.session_id.empty()) return NoSuchSession();
  if (address.turn == 0) {
    return MakeError(ErrorReason::kBeyondReplay, "request_id: no turn that came with this id is kept");
  }
  return MakeError(
      ErrorReason::kBeyondReplay,
      address.turn > session->last_turn
          ? absl::StrCat("turn: ", address.turn, " has not begun; the session's last turn is ", session->last_turn)
          : absl::StrCat("turn: ", address.turn, " has ended and is no longer kept"));
}

}  // namespace perennial
