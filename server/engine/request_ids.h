// Which requests have been taken up already: makes a request that is sent twice happen once.

#ifndef PERENNIAL_SERVER_ENGINE_REQUEST_IDS_H_
#define PERENNIAL_SERVER_ENGINE_REQUEST_IDS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/engine/request_tag.h"
#include "server/engine/turn_record.h"

namespace perennial {

// Engine thread only. A request's id is known from Begin on; from End on for `ttl` more. Ids are told apart by their
// scope: the session that the request names, "" where it names none. At most `max_ids` are known: one is never
// forgotten early, so new ones are refused instead.
//
// How to make a call safe to repeat (Engine thread, all in one go):
//   absl::StatusOr<const Outcome*> earlier = ids.Find(scope, tag);
//   not OK: the answer; not nullptr: answer with that outcome; nullptr: do it, and if that works
//   ids.Begin(scope, tag, outcome); ids.End(scope, tag.id, now) when it is over.
// What was refused leaves no id behind.
class RequestIds {
 public:
  // What came of a request: a turn, or a session by its id.
  using Outcome = std::variant<std::shared_ptr<TurnRecord>, std::string>;

  // `retry_after`: the hint in QUEUE_FULL.
  RequestIds(int32_t max_ids, absl::Duration ttl, absl::Duration retry_after)
      : max_ids_(max_ids), ttl_(ttl), retry_after_(retry_after) {}

  // What came of the same request before; nullptr if it is new (always, if it has no id) and may Begin.
  // REQUEST_ID_REUSED if the id is known with another fingerprint, QUEUE_FULL if there is no room for a new one.
  absl::StatusOr<const Outcome*> Find(const std::string& scope, const RequestTag& tag) const;

  // The turn that came with this id, whatever its fingerprint; nullptr if none is known.
  std::shared_ptr<TurnRecord> FindTurn(const std::string& scope, const std::string& id) const;

  // The request is taken up. Nothing happens without an id. REQUIRES: Find gave nullptr.
  void Begin(const std::string& scope, const RequestTag& tag, Outcome outcome);

  // It is over: the id is remembered for `ttl` from now. Nothing happens if it is not known.
  void End(const std::string& scope, const std::string& id, absl::Time now);

  // It left no trace: the same id may be used again.
  void Forget(const std::string& scope, const std::string& id);
  void ForgetScope(const std::string& scope);
  // Turns of the scope "" that ran in this session, which was made for them.
  void ForgetTurnsOf(const std::string& session_id);

  // Forgets the ids whose time has come.
  void Expire(absl::Time now);
  absl::Time next_expiry() const { return expiries_.empty() ? absl::InfiniteFuture() : expiries_.begin()->first; }

  int64_t size() const { return static_cast<int64_t>(entries_.size()); }

 private:
  using Key = std::pair<std::string, std::string>;  // scope, id
  struct Entry {
    absl::uint128 fingerprint;
    Outcome outcome;
    absl::Time expires = absl::InfiniteFuture();  // InfiniteFuture until End
  };
  using EntryRef = std::map<Key, Entry>::iterator;

  EntryRef Erase(EntryRef entry);

  const int32_t max_ids_;
  const absl::Duration ttl_;
  const absl::Duration retry_after_;
  std::map<Key, Entry> entries_;
  std::set<std::pair<absl::Time, Key>> expiries_;  // of those that are over
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_REQUEST_IDS_H_
