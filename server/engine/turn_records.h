// Finds turns by their numbers, while they run and for some time after.

#ifndef PERENNIAL_SERVER_ENGINE_TURN_RECORDS_H_
#define PERENNIAL_SERVER_ENGINE_TURN_RECORDS_H_

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/engine/engine.h"
#include "server/engine/turn_record.h"

namespace perennial {

// Engine thread only. A turn that has ended is kept for request_id_ttl if it came with a request id, else until its
// session's next turn begins or the session goes. All that is kept together has at most kept_replay_bytes of events;
// the turns that ended first give theirs up first (of one with a request id the end stays).
class TurnRecords {
 public:
  // `options` must outlive the records.
  explicit TurnRecords(const EngineOptions* options) : options_(options) {}

  // The turn was admitted. REQUIRES: it has a session and a number that no other turn had.
  void Add(std::shared_ptr<TurnRecord> record);

  // The turn has ended (the record says how), admitted or not. `found_by_request`: it came with a request id.
  void Keep(const std::shared_ptr<TurnRecord>& record, bool found_by_request, absl::Time now);

  // The turn has ended and is not to be found again.
  void Drop(const std::shared_ptr<TurnRecord>& record);

  // The turn has ended and has readers that have not got all of it: Poll looks after them. Keep and Drop see to it too.
  void Follow(const std::shared_ptr<TurnRecord>& record);

  // nullptr if there is none, or none any more.
  std::shared_ptr<TurnRecord> Find(const std::string& session_id, int64_t turn) const;

  // The session is gone, and with it its turns but for those with request ids.
  void ForgetSession(const std::string& session_id);
  // The client wants all of it gone. REQUIRES: none of its turns waits or runs.
  void ForgetAllOfSession(const std::string& session_id);

  // Looks after the readers of turns that have ended, and forgets those whose time has come. Once per pass. Returns
  // whether a reader came to its end.
  bool Poll(absl::Time now);

  // Ends all readers of turns that have ended.
  void CutReaders(const absl::Status& status, absl::Time now);
  bool has_readers() const { return !followed_.empty(); }  // of turns that have ended

  // When Poll is due, if no reader moves.
  absl::Time NextWakeTime() const;

  int64_t kept_turns() const { return static_cast<int64_t>(ended_.size()); }  // with their events
  int64_t kept_bytes() const { return kept_bytes_; }

 private:
  using Key = std::pair<std::string, int64_t>;  // session, turn; below 0: one that was never admitted
  struct Entry {
    std::shared_ptr<TurnRecord> record;
    bool found_by_request = false;
    std::list<Key>::iterator ended = {};  // of ended_, where the turn is in it
    bool in_ended = false;
  };
  using EntryRef = std::map<Key, Entry>::iterator;

  EntryRef Erase(EntryRef entry);
  // Takes the turn out of ended_ and its sums.
  void StopCounting(Entry& entry);
  void GiveUpBytes();

  const EngineOptions* const options_;
  std::map<Key, Entry> entries_;
  int64_t last_unadmitted_ = 0;  // counts down
  std::list<Key> ended_;         // those whose events are kept, in the order of their ends
  int64_t kept_bytes_ = 0;
  std::deque<std::pair<absl::Time, Key>> expiries_;    // of those found by request, in order; some may be gone already
  std::vector<std::shared_ptr<TurnRecord>> followed_;  // ended, with readers that have not got all
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_TURN_RECORDS_H_
