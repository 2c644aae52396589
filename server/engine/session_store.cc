#include "server/engine/session_store.h"

#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "server/engine/error.h"
#include "server/engine/session_id.h"

namespace perennial {

SessionStore::SessionStore(int32_t max_sessions, absl::Duration retry_after, ModelRunner* runner,
                           std::function<uint64_t()> random_bits)
    : max_sessions_(max_sessions), retry_after_(retry_after), runner_(runner), random_bits_(std::move(random_bits)) {}

absl::StatusOr<LiveSession*> SessionStore::Create(SessionSpec spec, bool ephemeral, absl::Time now) {
  if (size() >= max_sessions_) {
    return MakeError(ErrorReason::kNoFreeCache,
                     absl::StrCat("all ", max_sessions_, " sessions that this server serves are in use"), retry_after_);
  }
  absl::StatusOr<std::unique_ptr<KvCache>> cache = runner_->NewCache(spec.shape);
  if (absl::IsResourceExhausted(cache.status())) {
    return MakeError(ErrorReason::kNoFreeCache,
                     absl::StrCat("no cache memory is free for a session of ", spec.shape.capacity(), " tokens"),
                     retry_after_);
  }
  if (!cache.ok()) return MakeError(ErrorReason::kModelFailure, "the model could not make a cache");

  std::string id = NewSessionId(random_bits_);
  while (sessions_.contains(id)) id = NewSessionId(random_bits_);
  auto owned = std::make_unique<LiveSession>(id, std::move(spec), *std::move(cache), ephemeral, now);
  LiveSession* const session = owned.get();
  cache_bytes_ += session->cache->size_bytes();
  sessions_.emplace(std::move(id), std::move(owned));
  UpdateExpiry(session, now);
  return session;
}

LiveSession* SessionStore::Find(absl::string_view id) const {
  const auto found = sessions_.find(id);
  return found == sessions_.end() || found->second->deleted ? nullptr : found->second.get();
}

void SessionStore::Remove(LiveSession* session) {
  PERENNIAL_CHECK(!session->busy());
  expiries_.erase({session->expires, session});
  cache_bytes_ -= session->cache->size_bytes();
  sessions_.erase(sessions_.find(session->id));
}

void SessionStore::UpdateExpiry(LiveSession* session, absl::Time now) {
  expiries_.erase({session->expires, session});
  const bool idle = !session->busy() && !session->deleted;
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
    if (it->second->deleted) continue;
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
