// All sessions that are alive: by id, in the order in which the idle ones expire, and page by page.

#ifndef PERENNIAL_SERVER_ENGINE_SESSION_STORE_H_
#define PERENNIAL_SERVER_ENGINE_SESSION_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "model/model_runner.h"
#include "server/engine/cache_reservations.h"
#include "server/engine/live_session.h"
#include "server/engine/session.h"

namespace perennial {

// Engine thread only. Owns the sessions; a LiveSession* stays valid until Remove. It knows nothing of turns but whether
// a session is busy: whoever changes that calls UpdateExpiry.
class SessionStore {
 public:
  // Everything pointed to must outlive the store. `retry_after`: the hint in NO_FREE_CACHE.
  // `empty_transcript`: what every session starts with. `parked_bytes`: what can be parked. REQUIRES: `runner` has made
  // no cache yet.
  SessionStore(int32_t max_sessions, absl::Duration retry_after, Transcript empty_transcript, int64_t parked_bytes,
               ModelRunner* runner, std::function<uint64_t()> random_bits);

  // Makes a session and reserves its cache memory, which it takes later. REQUIRES: `spec` was checked. NO_FREE_CACHE if
  // max_sessions are alive or the reservations leave no room (CacheReservations).
  absl::StatusOr<LiveSession*> Create(SessionSpec spec, bool ephemeral, absl::Time now);

  // nullptr if there is none, or if it is hidden.
  LiveSession* Find(absl::string_view id) const;

  // Forgets the session and gives its cache back. REQUIRES: !session->busy(), and its cache is not being moved.
  void Remove(LiveSession* session);

  // Says that the session has become busy, or idle (its idle time starts now), or was deleted, or that its idle_timeout
  // has changed.
  void UpdateExpiry(LiveSession* session, absl::Time now);

  // A session that has expired by `now`, or nullptr.
  LiveSession* NextExpired(absl::Time now) const;

  // When the next idle session expires; InfiniteFuture if there is none.
  absl::Time next_expiry() const;

  // One page, ordered by id. REQUIRES: `spec` was checked.
  SessionPage List(const ListSpec& spec, absl::Time now) const;

  int64_t size() const { return static_cast<int64_t>(sessions_.size()); }
  const CacheReservations& reservations() const { return reservations_; }

 private:
  const int32_t max_sessions_;
  const absl::Duration retry_after_;
  const Transcript empty_transcript_;
  ModelRunner* const runner_;
  const std::function<uint64_t()> random_bits_;

  CacheReservations reservations_;
  std::map<std::string, std::unique_ptr<LiveSession>, std::less<>> sessions_;
  std::set<std::pair<absl::Time, LiveSession*>> expiries_;  // of the idle ones
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_SESSION_STORE_H_
