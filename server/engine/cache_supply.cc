#include "server/engine/cache_supply.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "model/check.h"
#include "server/engine/error.h"

namespace perennial {

void CacheSupply::Fork(LiveSession* source, LiveSession* fork) {
  PERENNIAL_CHECK(source->has_slots() && !fork->has_slots());
  ++source->forks;
  forks_.push_back({.source = source, .fork = fork, .arrival = queue_->next_arrival()});
}

CacheSupply::PendingFork* CacheSupply::ForkTo(const LiveSession* session) {
  const auto found =
      std::find_if(forks_.begin(), forks_.end(), [session](const PendingFork& one) { return one.fork == session; });
  return found == forks_.end() ? nullptr : &*found;
}

const CacheSupply::PendingFork* CacheSupply::ForkTo(const LiveSession* session) const {
  return const_cast<CacheSupply*>(this)->ForkTo(session);
}

bool CacheSupply::InNeed(const LiveSession& session) const {
  if (session.cache != nullptr || session.moves > 0) return false;
  return session.waiting_turns > 0 || ForkTo(&session) != nullptr;
}

LiveSession* CacheSupply::NextInNeed() const {
  for (const PendingFork& pending : forks_) {
    if (!pending.copying) return pending.fork;
  }
  return queue_->NextWithoutCache();
}

int64_t CacheSupply::ArrivalOf(const LiveSession* session) const {
  if (const PendingFork* fork = ForkTo(session); fork != nullptr) return fork->arrival;
  return session->first_arrival;
}

bool CacheSupply::Provide(std::vector<Outcome>& outcomes) {
  bool worked = false;
  while (true) {
    if (next_ != nullptr && !InNeed(*next_)) next_ = nullptr;
    if (next_ == nullptr) next_ = NextInNeed();
    if (next_ == nullptr) return worked;
    const int64_t began_before = mover_.num_begun();
    const absl::StatusOr<bool> served = Serve(next_);
    worked |= mover_.num_begun() > began_before;
    if (!served.ok()) {
      outcomes.push_back(Fail(std::exchange(next_, nullptr), served.status()));
      return true;
    }
    if (!*served) return worked;
    next_ = nullptr;
    worked = true;
  }
}

absl::StatusOr<bool> CacheSupply::Serve(LiveSession* session) {
  PendingFork* const fork = ForkTo(session);
  // What is to be copied may just be on its way from one place to the other.
  if (fork != nullptr && fork->source->moves > 0) return false;
  if (runner_->FreeCacheBytes() >= session->reserved_bytes) {
    absl::StatusOr<std::unique_ptr<KvCache>> cache = runner_->NewCache(session->window.shape());
    if (!cache.ok()) return cache.status();
    if (fork != nullptr) {
      fork->copying = true;
      mover_.Fork(fork->source, session, *std::move(cache), nullptr);
    } else if (session->parked != nullptr) {
      mover_.Resume(session, *std::move(cache));
    } else {
      session->cache = *std::move(cache);
      with_cache_.push_back(session);
    }
    return true;
  }
  if (fork != nullptr) {
    // Rather born parked than at the price of parking somebody.
    absl::StatusOr<std::unique_ptr<ParkedBytes>> room = store_->Create(TotalBytes(mover_.SlicesOf(*fork->source)));
    if (room.ok()) {
      fork->copying = true;
      mover_.Fork(fork->source, session, nullptr, *std::move(room));
      return true;
    }
  }
  if (absl::Status status = MakeRoom(session->reserved_bytes, ArrivalOf(session)); !status.ok()) return status;
  return false;
}

absl::Status CacheSupply::MakeRoom(int64_t bytes, int64_t arrival) {
  int64_t free = runner_->FreeCacheBytes() + mover_.coming_free_bytes();
  while (free < bytes) {
    LiveSession* const idle = NextToPark(arrival);
    if (idle == nullptr) return absl::OkStatus();
    absl::StatusOr<std::unique_ptr<ParkedBytes>> room = store_->Create(TotalBytes(mover_.SlicesOf(*idle)));
    // A cache that is being brought back gives its room to the next one when it is there.
    if (absl::IsResourceExhausted(room.status()) && !mover_.idle()) return absl::OkStatus();
    if (!room.ok()) return room.status();
    free += idle->cache->size_bytes();
    mover_.Park(idle, *std::move(room));
  }
  return absl::OkStatus();
}

LiveSession* CacheSupply::NextToPark(int64_t arrival) const {
  // Idle ones first, and last those that could not be parked before.
  const auto rank = [](const LiveSession& session) {
    return std::make_tuple(session.failed_parks, session.waiting_turns > 0, session.last_used);
  };
  LiveSession* best = nullptr;
  for (LiveSession* session : with_cache_) {
    if (session->leased || session->moves > 0 || session->deleted) continue;
    if (session->waiting_turns > 0 && session->first_arrival < arrival) continue;
    if (best == nullptr || rank(*session) < rank(*best)) best = session;
  }
  return best;
}

bool CacheSupply::Move(std::vector<Outcome>& outcomes) {
  bool worked = false;
  for (const CacheMover::EndedMove& move : mover_.Run(worked)) outcomes.push_back(Ended(move));
  return worked;
}

CacheSupply::Outcome CacheSupply::Ended(const CacheMover::EndedMove& move) {
  if (!move.status.ok()) {
    if (move.kind != CacheMover::Kind::kPark) return Fail(move.session, move.status);
    ++move.session->failed_parks;
    // It is still here; who waited for its room is told.
    if (next_ != nullptr) return Fail(std::exchange(next_, nullptr), move.status);
    return {.kind = move.kind, .session = nullptr, .source = nullptr, .status = {}, .cause = move.status};
  }
  if (move.session->cache != nullptr) with_cache_.push_back(move.session);
  switch (move.kind) {
    case CacheMover::Kind::kPark:
      move.session->failed_parks = 0;
      std::erase(with_cache_, move.session);
      ++counts_.parked_sessions;
      ++counts_.parked;
      break;
    case CacheMover::Kind::kResume:
      --counts_.parked_sessions;
      ++counts_.resumed;
      break;
    case CacheMover::Kind::kFork:
      if (move.session->parked != nullptr) ++counts_.parked_sessions;
      ForgetFork(move.session);
      break;
  }
  return {.kind = move.kind, .session = move.session, .source = move.source, .status = {}, .cause = {}};
}

CacheSupply::Outcome CacheSupply::Fail(LiveSession* session, absl::Status cause) {
  Outcome outcome = {
      .kind = CacheMover::Kind::kResume, .session = session, .source = session, .status = {}, .cause = {}};
  if (const PendingFork* fork = ForkTo(session); fork != nullptr) {
    outcome.kind = CacheMover::Kind::kFork;
    outcome.source = fork->source;
    ForgetFork(session);
  }
  outcome.status = MakeError(ErrorReason::kStoreUnavailable,
                             "the session's cache cannot be brought in now; nothing is lost", retry_after_);
  outcome.cause = std::move(cause);
  return outcome;
}

void CacheSupply::ForgetFork(const LiveSession* fork) {
  const auto found =
      std::find_if(forks_.begin(), forks_.end(), [fork](const PendingFork& one) { return one.fork == fork; });
  PERENNIAL_CHECK(found != forks_.end());
  --found->source->forks;
  forks_.erase(found);
}

std::vector<LiveSession*> CacheSupply::Forget(LiveSession* session) {
  std::vector<LiveSession*> lost;
  for (const PendingFork& one : forks_) {
    if (one.source == session || one.fork == session) lost.push_back(one.fork);
  }
  mover_.Abort(session);
  for (const LiveSession* fork : lost) ForgetFork(fork);
  std::erase(with_cache_, session);
  if (session->parked != nullptr) --counts_.parked_sessions;
  if (next_ == session) next_ = nullptr;
  return lost;
}

}  // namespace perennial
