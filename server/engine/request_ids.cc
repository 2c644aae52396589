#include "server/engine/request_ids.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "server/engine/error.h"

namespace perennial {

absl::StatusOr<const RequestIds::Outcome*> RequestIds::Find(const std::string& scope, const RequestTag& tag) const {
  if (tag.empty()) return nullptr;
  const auto found = entries_.find({scope, tag.id});
  if (found != entries_.end()) {
    if (found->second.fingerprint == tag.fingerprint) return &found->second.outcome;
    return MakeError(ErrorReason::kRequestIdReused, "request_id: another request came with the same id before");
  }
  if (size() >= max_ids_) {
    return MakeError(ErrorReason::kQueueFull,
                     absl::StrCat("request_id: ", max_ids_, " are remembered already, the most that may"),
                     retry_after_);
  }
  return nullptr;
}

std::shared_ptr<TurnRecord> RequestIds::FindTurn(const std::string& scope, const std::string& id) const {
  const auto found = entries_.find({scope, id});
  if (found == entries_.end()) return nullptr;
  const auto* turn = std::get_if<std::shared_ptr<TurnRecord>>(&found->second.outcome);
  return turn == nullptr ? nullptr : *turn;
}

void RequestIds::Begin(const std::string& scope, const RequestTag& tag, Outcome outcome) {
  if (tag.empty()) return;
  const bool is_new =
      entries_.emplace(Key(scope, tag.id), Entry{.fingerprint = tag.fingerprint, .outcome = std::move(outcome)}).second;
  PERENNIAL_CHECK(is_new);
}

void RequestIds::End(const std::string& scope, const std::string& id, absl::Time now) {
  const EntryRef entry = entries_.find({scope, id});
  if (entry == entries_.end() || entry->second.expires != absl::InfiniteFuture()) return;
  entry->second.expires = now + ttl_;
  expiries_.emplace(entry->second.expires, entry->first);
}

void RequestIds::Forget(const std::string& scope, const std::string& id) {
  if (const EntryRef entry = entries_.find({scope, id}); entry != entries_.end()) Erase(entry);
}

void RequestIds::ForgetScope(const std::string& scope) {
  for (EntryRef it = entries_.lower_bound({scope, ""}); it != entries_.end() && it->first.first == scope;) {
    it = Erase(it);
  }
}

void RequestIds::ForgetTurnsOf(const std::string& session_id) {
  for (EntryRef it = entries_.lower_bound({"", ""}); it != entries_.end() && it->first.first.empty();) {
    const auto* turn = std::get_if<std::shared_ptr<TurnRecord>>(&it->second.outcome);
    it = turn != nullptr && (*turn)->session_id() == session_id ? Erase(it) : std::next(it);
  }
}

void RequestIds::Expire(absl::Time now) {
  while (!expiries_.empty() && next_expiry() <= now) Erase(entries_.find(expiries_.begin()->second));
}

RequestIds::EntryRef RequestIds::Erase(EntryRef entry) {
  expiries_.erase({entry->second.expires, entry->first});
  return entries_.erase(entry);
}

}  // namespace perennial
