#include "server/engine/turn_queue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "server/engine/error.h"

namespace perennial {
namespace {

// No turn runs without a cache, so it cannot be leased.
bool NeedsCache(const LiveSession& session) { return session.cache == nullptr && session.moves == 0; }

}  // namespace

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
  const bool first_of_session = session->waiting_turns++ == 0;
  if (first_of_session) session->first_arrival = next_arrival_;
  turns_.push_back(
      {.turn = std::move(turn), .session = session, .arrival = next_arrival_++, .first_of_session = first_of_session});
  positions_are_current_ = false;
}

std::array<TurnQueue::Iterator, 2> TurnQueue::NextOf(bool (*eligible)(const LiveSession&)) {
  std::array<Iterator, 2> next = {turns_.end(), turns_.end()};  // by priority
  for (auto it = turns_.begin(); it != turns_.end(); ++it) {
    if (!it->first_of_session || !eligible(*it->session)) continue;
    const Priority priority = it->turn.spec.priority;
    Iterator& best = next[priority == Priority::kBatch ? 1 : 0];
    if (best == turns_.end() || RoundsOf(priority).Before(it->turn.tenant.number(), best->turn.tenant.number())) {
      best = it;
    }
  }
  return next;
}

bool TurnQueue::IsBatchNext(const std::array<Iterator, 2>& next) const {
  const auto [interactive, batch] = next;
  return interactive == turns_.end() || (batch != turns_.end() && passed_over_ >= kBatchShare - 1);
}

LiveSession* TurnQueue::NextWithoutCache() {
  const std::array<Iterator, 2> next = NextOf(NeedsCache);
  const Iterator chosen = IsBatchNext(next) ? next[1] : next[0];
  if (chosen == turns_.end()) return nullptr;
  if (++caches_named_ % kBatchShare != 0) return chosen->session;
  return std::find_if(turns_.begin(), turns_.end(), [](const WaitingTurn& one) { return NeedsCache(*one.session); })
      ->session;
}

std::optional<TurnQueue::WaitingTurn> TurnQueue::PopAdmissible() {
  const std::array<Iterator, 2> next = NextOf([](const LiveSession& session) { return session.admissible(); });
  const auto [interactive, batch] = next;
  if (interactive == turns_.end() && batch == turns_.end()) return std::nullopt;
  const bool is_batch = IsBatchNext(next);
  passed_over_ = is_batch || batch == turns_.end() ? 0 : passed_over_ + 1;
  const Iterator chosen = is_batch ? batch : interactive;
  RoundsOf(chosen->turn.spec.priority).Served(chosen->turn.tenant.number());
  return Take(chosen);
}

void TurnQueue::RemoveIf(const std::function<std::optional<EarlyEnd>(const WaitingTurn&)>& why_end,
                         const std::function<void(WaitingTurn, EarlyEnd)>& reject) {
  for (auto it = turns_.begin(); it != turns_.end();) {
    std::optional<EarlyEnd> why = why_end(*it);
    const auto here = it++;
    if (why.has_value()) reject(Take(here), *std::move(why));
  }
}

void TurnQueue::TellPositions(absl::Time now) {
  if (!positions_are_current_) UpdatePositions();
  for (WaitingTurn& waiting : turns_) {
    TurnRecord& record = *waiting.turn.record;
    // A position that its pacer does not read is followed by no other; other readers still hear heartbeats.
    if (waiting.told_position != waiting.position && !record.paused()) {
      record.Send(TurnQueued{waiting.position}, now);
      waiting.told_position = waiting.position;
    } else if (record.HeartbeatDue(now)) {
      record.SendHeartbeat({.queue_position = waiting.position}, now);
    }
  }
}

void TurnQueue::UpdatePositions() {
  struct Class {
    std::vector<WaitingTurn*> turns;
    std::vector<int32_t> tenants;
    std::vector<size_t> order;
    size_t next = 0;
  };
  std::array<Class, 2> classes;  // by priority
  for (WaitingTurn& waiting : turns_) {
    Class& own = classes[waiting.turn.spec.priority == Priority::kBatch ? 1 : 0];
    own.turns.push_back(&waiting);
    own.tenants.push_back(waiting.turn.tenant.number());
  }
  for (size_t i = 0; i < classes.size(); ++i) classes[i].order = rounds_[i].Order(classes[i].tenants);
  auto& [interactive, batch] = classes;
  int32_t passed_over = passed_over_;
  for (int32_t position = 0; position < size(); ++position) {
    const bool batch_waits = batch.next < batch.turns.size();
    const bool is_batch =
        interactive.next == interactive.turns.size() || (batch_waits && passed_over >= kBatchShare - 1);
    passed_over = is_batch || !batch_waits ? 0 : passed_over + 1;
    Class& chosen = is_batch ? batch : interactive;
    chosen.turns[chosen.order[chosen.next++]]->position = position;
  }
  positions_are_current_ = true;
}

absl::Time TurnQueue::NextWakeTime() const {
  absl::Time next = absl::InfiniteFuture();
  for (const WaitingTurn& waiting : turns_) next = std::min(next, waiting.turn.record->NextWakeTime());
  return next;
}

void TurnQueue::ForEach(const std::function<void(const WaitingTurn&)>& visit) const {
  for (const WaitingTurn& waiting : turns_) visit(waiting);
}

int64_t TurnQueue::num_detached() const {
  return std::count_if(turns_.begin(), turns_.end(),
                       [](const WaitingTurn& waiting) { return waiting.turn.record->detached(); });
}

int64_t TurnQueue::replay_bytes() const {
  int64_t bytes = 0;
  for (const WaitingTurn& waiting : turns_) bytes += waiting.turn.record->bytes();
  return bytes;
}

TurnQueue::WaitingTurn TurnQueue::Take(Iterator it) {
  WaitingTurn waiting = std::move(*it);
  const Iterator rest = turns_.erase(it);
  if (--waiting.session->waiting_turns > 0 && waiting.first_of_session) {
    LiveSession* const session = waiting.session;
    const Iterator later =
        std::find_if(rest, turns_.end(), [session](const WaitingTurn& one) { return one.session == session; });
    later->first_of_session = true;
    session->first_arrival = later->arrival;
  }
  positions_are_current_ = false;
  return waiting;
}

}  // namespace perennial
