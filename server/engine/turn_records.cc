#include "server/engine/turn_records.h"

#include <algorithm>
#include <limits>

#include "model/check.h"

namespace perennial {
namespace {

// Of a record, besides its events: so that many empty ones count too.
constexpr int64_t kRecordBytes = 1024;

}  // namespace

void TurnRecords::Add(std::shared_ptr<TurnRecord> record) {
  ForgetSession(record->session_id());
  const Key key(record->session_id(), record->turn());
  const bool is_new = entries_.emplace(key, Entry{.record = std::move(record)}).second;
  PERENNIAL_CHECK(is_new);
}

void TurnRecords::Keep(const std::shared_ptr<TurnRecord>& record, bool found_by_request, absl::Time now) {
  PERENNIAL_CHECK(record->ended());
  Follow(record);
  EntryRef entry = entries_.find({record->session_id(), record->turn()});
  if (entry == entries_.end()) {
    // Never admitted: it is found by its request id or not at all. Its events count like those of others.
    if (!found_by_request) return;
    entry = entries_.emplace(Key(record->session_id(), --last_unadmitted_), Entry{.record = record}).first;
  }
  entry->second.found_by_request = found_by_request;
  entry->second.ended = ended_.insert(ended_.end(), entry->first);
  entry->second.in_ended = true;
  kept_bytes_ += record->bytes() + kRecordBytes;
  if (found_by_request) expiries_.emplace_back(now + options_->request_id_ttl, entry->first);
  GiveUpBytes();
}

void TurnRecords::Drop(const std::shared_ptr<TurnRecord>& record) {
  PERENNIAL_CHECK(record->ended());
  Follow(record);
  if (const EntryRef entry = entries_.find({record->session_id(), record->turn()}); entry != entries_.end()) {
    Erase(entry);
  }
}

void TurnRecords::Follow(const std::shared_ptr<TurnRecord>& record) {
  if (!record->has_readers()) return;
  if (std::find(followed_.begin(), followed_.end(), record) == followed_.end()) followed_.push_back(record);
}

std::shared_ptr<TurnRecord> TurnRecords::Find(const std::string& session_id, int64_t turn) const {
  const auto found = entries_.find({session_id, turn});
  return found == entries_.end() ? nullptr : found->second.record;
}

void TurnRecords::ForgetSession(const std::string& session_id) {
  for (EntryRef it = entries_.lower_bound({session_id, 0}); it != entries_.end() && it->first.first == session_id;) {
    it = it->second.in_ended && !it->second.found_by_request ? Erase(it) : std::next(it);
  }
}

void TurnRecords::ForgetAllOfSession(const std::string& session_id) {
  const Key first(session_id, std::numeric_limits<int64_t>::min());
  for (EntryRef it = entries_.lower_bound(first); it != entries_.end() && it->first.first == session_id;) {
    it = Erase(it);
  }
}

bool TurnRecords::Poll(absl::Time now) {
  const size_t ends = std::erase_if(followed_, [now](const std::shared_ptr<TurnRecord>& record) {
    // Of a turn that has ended it says nothing.
    record->Poll(now).IgnoreError();
    return !record->has_readers();
  });
  while (!expiries_.empty() && expiries_.front().first <= now) {
    if (const EntryRef entry = entries_.find(expiries_.front().second); entry != entries_.end()) Erase(entry);
    expiries_.pop_front();
  }
  if (ends > 0) GiveUpBytes();
  return ends > 0;
}

void TurnRecords::CutReaders(const absl::Status& status, absl::Time now) {
  for (const std::shared_ptr<TurnRecord>& record : followed_) record->CutReaders(status, now);
  followed_.clear();
}

absl::Time TurnRecords::NextWakeTime() const {
  absl::Time next = expiries_.empty() ? absl::InfiniteFuture() : expiries_.front().first;
  for (const std::shared_ptr<TurnRecord>& record : followed_) next = std::min(next, record->NextWakeTime());
  return next;
}

TurnRecords::EntryRef TurnRecords::Erase(EntryRef entry) {
  StopCounting(entry->second);
  return entries_.erase(entry);
}

void TurnRecords::StopCounting(Entry& entry) {
  if (!entry.in_ended) return;
  kept_bytes_ -= entry.record->bytes() + kRecordBytes;
  ended_.erase(entry.ended);
  entry.in_ended = false;
}

void TurnRecords::GiveUpBytes() {
  for (auto it = ended_.begin(); it != ended_.end() && kept_bytes_ > options_->kept_replay_bytes;) {
    const EntryRef entry = entries_.find(*it++);
    // One that is being read goes when its readers have it all, or were too slow.
    if (entry->second.record->has_readers()) continue;
    if (!entry->second.found_by_request) {
      Erase(entry);
      continue;
    }
    StopCounting(entry->second);
    entry->second.record->DropEvents();
  }
}

}  // namespace perennial
