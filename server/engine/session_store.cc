#include "server/engine/session_store.h"

#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "server/engine/error.h"
#include "server/engine/session_id.h"

namespace perennial {

SessionStore::SessionStore(int32_t max_sessions, absl::Duration retry_after, Transcript empty_transcript,
                           int64_t parked_bytes, ModelRunner* runner, std::function<uint64_t()> random_bits)
    : max_sessions_(max_sessions),
      retry_after_(retry_after),
      empty_transcript_(std::move(empty_transcript)),
      runner_(runner),
      random_bits_(std::move(random_bits)),
      reservations_(runner->FreeCacheBytes(), parked_bytes) {}

absl::StatusOr<LiveSession*> SessionStore::Create(SessionSpec spec, bool ephemeral, absl::Time now) {
  if (size() >= max_sessions_) {
    return MakeError(ErrorReason::kNoFreeCache,
                     absl::StrCat("all ", max_sessions_, " sessions that this server serves are in use"), retry_after_);
  }
  const int64_t bytes = runner_->CacheBytes(spec.shape);
  if (!reservations_.Fits(bytes)) {
    return MakeError(
        ErrorReason::kNoFreeCache,
        absl::StrCat("no cache memory is free for a session of ", spec.shape.capacity(), " tokens (", bytes,
                     " bytes): ", reservations_.total_bytes(), " bytes are taken, of ", reservations_.cache_bytes(),
                     " in caches and ", reservations_.parked_bytes(), " parked"),
        retry_after_);
  }

  std::string id = NewSessionId(random_bits_);
  while (sessions_.contains(id)) id = NewSessionId(random_bits_);
  auto owned = std::make_unique<LiveSession>(id, std::move(spec), empty_transcript_, bytes, ephemeral, now);
  LiveSession* const session = owned.get();
  reservations_.Add(bytes);
  sessions_.emplace(std::move(id), std::move(owned));
  UpdateExpiry(session, now);
  return session;
}

LiveSession* SessionStore::Find(absl::string_view id) const {
  const auto found = sessions_.find(id);
  return found == sessions_.end() || found->second->hidden() ? nullptr : found->second.get();
}

void SessionStore::Remove(LiveSession* session) {
  PERENNIAL_CHECK(!session->busy() && session->moves == 0);
  expiries_.erase({session->expires, session});
  reservations_.Remove(session->reserved_bytes);
  sessions_.erase(sessions_.find(session->id));
}

void SessionStore::UpdateExpiry(LiveSession* session, absl::Time now) {
  expiries_.erase({session->expires, session});
  const bool idle = !session->busy() && !session->hidden() && session->forks == 0;
  session->expires = idle ? now + session->idle_timeout : absl::InfiniteFuture();
  if (idle) expiries_.insert({session->expires, session});
}

LiveSession* SessionStore::NextExpired(absl::Time now) const {
  return next_expiry() <= now ? expiries_.begin()->second : nullptr;
}

absl::Time SessionStore::next_expiry() const {
  return expiries_.empty() ? absl::InfiniteFuture() : expiries_.begin()->first;
}

SessionPage SessionStore::List(const ListSpec& spec, absl::Time now) const {
  SessionPage page;
  for (auto it = sessions_.upper_bound(spec.page_token); it != sessions_.end(); ++it) {
    if (it->second->hidden()) continue;
    SessionSummary session = it->second->Describe(now);
    if (spec.state.has_value() && session.state != *spec.state) continue;
    if (page.sessions.size() == static_cast<size_t>(spec.page_size)) {
      page.next_page_token = page.sessions.back().id;
      break;
    }
    page.sessions.push_back(std::move(session));
  }
  return page;
}

}  // namespace perennial
