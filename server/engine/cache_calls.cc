// TurnLoop and the caches: who gets one, what is told when a move has ended, and forks.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/check.h"
#include "server/engine/error.h"
#include "server/engine/turn_loop.h"

namespace perennial {

bool TurnLoop::ProvideCaches(absl::Time now) {
  bool worked = false;
  while (true) {
    std::vector<CacheSupply::Outcome> outcomes;
    worked |= supply_.Provide(outcomes);
    if (outcomes.empty()) return worked;
    for (const CacheSupply::Outcome& outcome : outcomes) Tell(outcome, now);
  }
}

bool TurnLoop::Move() {
  const absl::Time now = clock_->Now();
  std::vector<CacheSupply::Outcome> outcomes;
  const bool worked = supply_.Move(outcomes);
  for (const CacheSupply::Outcome& outcome : outcomes) Tell(outcome, now);
  return worked;
}

void TurnLoop::Tell(const CacheSupply::Outcome& outcome, absl::Time now) {
  if (!outcome.cause.ok() && model_.on_failure) model_.on_failure(outcome.cause);
  if (outcome.kind == CacheMover::Kind::kFork) {
    AnswerFork(outcome.session, outcome.source, outcome.status, now);
  } else if (!outcome.status.ok()) {
    RejectFirstTurn(outcome.session, outcome.status, now);
  }
}

void TurnLoop::RejectFirstTurn(LiveSession* session, const absl::Status& status, absl::Time now) {
  bool found = false;
  queue_.RemoveIf(
      [&](const TurnQueue::WaitingTurn& waiting) -> std::optional<EarlyEnd> {
        if (found || waiting.session != session) return std::nullopt;
        found = true;
        return EarlyEnd{status};
      },
      [&](TurnQueue::WaitingTurn waiting, EarlyEnd why) {
        LeaveQueue(session, now);
        Reject(std::move(waiting.turn), std::move(why), now);
      });
}

void TurnLoop::TakeCall(ForkSessionCall call) {
  if (!call.check.ok()) return call.done(std::move(call.check));
  if (draining_) return call.done(ShuttingDown());
  LiveSession* const parent = sessions_.Find(call.spec.session_id);
  if (parent == nullptr || parent->ephemeral) return call.done(NoSuchSession());
  const std::string parent_id = parent->id;
  const RequestTag request = call.spec.request;
  if (AnswerRetry(parent_id, request, call.done)) return;
  if (parent->busy()) {
    return call.done(MakeError(ErrorReason::kTurnInProgress, "a turn of this session is running or waiting"));
  }
  const absl::Time now = clock_->Now();
  SessionSpec spec = {.shape = parent->window.shape(),
                      .eviction = parent->window.policy(),
                      .opening = {},
                      .first_turn = parent->first_turn,
                      .idle_timeout = parent->idle_timeout,
                      .route = parent->route,
                      .labels = call.spec.labels.has_value() ? *std::move(call.spec.labels) : parent->labels,
                      .request = {},
                      .budget = parent->budget};
  absl::StatusOr<LiveSession*> created = sessions_.Create(std::move(spec), /*ephemeral=*/false, now);
  if (!created.ok()) return call.done(created.status());
  ++stats_.sessions_created;
  LiveSession* const fork = *created;
  static_cast<SessionStream&>(*fork) = *parent;
  fork->last_turn = parent->last_turn;
  fork->used = parent->used;  // what a fork could do, its parent could
  if (!parent->has_slots()) {
    ++stats_.sessions_forked;
    RememberSession(parent_id, request, *fork, now);
    return call.done(fork->Describe(now));
  }
  fork->unborn = true;
  sessions_.UpdateExpiry(fork, now);
  supply_.Fork(parent, fork);
  sessions_.UpdateExpiry(parent, now);
  request_ids_.Begin(parent_id, request, fork->id);
  open_forks_.push_back({fork, parent_id, request.id, {std::move(call.done)}});
}

TurnLoop::OpenFork* TurnLoop::FindOpenFork(const std::string& id) {
  const auto found =
      std::find_if(open_forks_.begin(), open_forks_.end(), [&id](const OpenFork& open) { return open.fork->id == id; });
  return found == open_forks_.end() ? nullptr : &*found;
}

void TurnLoop::AnswerFork(LiveSession* fork, LiveSession* source, const absl::Status& status, absl::Time now) {
  OpenFork* const found = FindOpenFork(fork->id);
  PERENNIAL_CHECK(found != nullptr);
  const OpenFork open = std::move(*found);
  open_forks_.erase(open_forks_.begin() + (found - open_forks_.data()));
  if (source != nullptr) sessions_.UpdateExpiry(source, now);
  absl::StatusOr<SessionSummary> answer = SessionSummary();
  if (status.ok()) {
    fork->unborn = false;
    sessions_.UpdateExpiry(fork, now);
    ++stats_.sessions_forked;
    request_ids_.End(open.parent_id, open.request_id, now);
    answer = fork->Describe(now);
  } else {
    request_ids_.Forget(open.parent_id, open.request_id);
    RemoveSession(fork, status);
    answer = status;
    ++stats_.sessions_deleted;
  }
  for (const Engine::Done<SessionSummary>& done : open.waiting) done(answer);
}

}  // namespace perennial
