// Turns of the FakeChatService: their script, and their record with behaviour: numbered events that several readers can
// follow from any of them on.

#ifndef PERENNIAL_TESTS_CLIENT_FAKE_TURN_H_
#define PERENNIAL_TESTS_CLIENT_FAKE_TURN_H_

#include <grpcpp/support/status.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "perennial/v1/turn.pb.h"

namespace perennial {

// What one turn does: its events, then its end. Session, turn and sequence numbers are filled in.
struct FakeTurn {
  std::vector<v1::TurnEvent> events;
  std::optional<grpc::Status> end = grpc::Status::OK;  // nothing: waits until it is cancelled
};

// Events, ready for FakeTurn. Fields that tests do not look at have plausible values.
v1::TurnEvent QueuedEvent(int32_t position);
v1::TurnEvent StartedEvent(int64_t prompt_tokens);
v1::TurnEvent DeltaEvent(const std::string& text);
v1::TurnEvent EvictedEvent(int64_t first_turn, int64_t last_turn);
v1::TurnEvent WillEvictEvent(int64_t in_tokens, int64_t first_turn, int64_t last_turn);
v1::TurnEvent FinishedEvent(v1::FinishReason reason = v1::FINISH_REASON_END_OF_TURN);

// As FinishedEvent, in a session that has forgotten 4,608 of 5,120 tokens, 7 of them in this turn; the horizon is in
// turn 12.
v1::TurnEvent ForgetfulFinishedEvent();

// A status with an ErrorInfo of the domain "perennial".
grpc::Status PerennialError(grpc::StatusCode code, const std::string& reason, const std::string& message);

// A turn that was admitted. Thread-safe.
class FakeTurnRecord {
 public:
  // What a reader gets: an event; or, after the last one, the turn's end; or neither, and is woken later.
  struct Next {
    std::optional<v1::TurnEvent> event;
    std::optional<grpc::Status> end;
  };

  class Reader {
   public:
    virtual ~Reader() = default;

    // Once for every Read that had nothing. Called with the record's lock held: it must not call the record.
    virtual void Wake(Next next) = 0;
  };

  // `replay_events`: how many of the newest events are kept.
  FakeTurnRecord(const std::string& session_id, int64_t turn, FakeTurn script, size_t replay_events);

  int64_t turn() const { return turn_; }

  // Appends an event to a turn that has not ended.
  void Append(v1::TurnEvent event) ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends it with FINISH_REASON_CANCELLED; false if it had ended.
  bool Cancel() ABSL_LOCKS_EXCLUDED(mutex_);

  bool ended() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Number of the oldest event that is kept, and its state event.
  int64_t oldest_sequence() const ABSL_LOCKS_EXCLUDED(mutex_);
  v1::TurnEvent State() const ABSL_LOCKS_EXCLUDED(mutex_);

  // What comes after number `after`, with `merge` all deltas that follow each other as one.
  Next Read(int64_t after, bool merge, Reader& reader) ABSL_LOCKS_EXCLUDED(mutex_);

  // Stops waiting; false if the reader does not wait (any more).
  bool Leave(Reader& reader) ABSL_LOCKS_EXCLUDED(mutex_);

  // The reply's text so far.
  std::string Text() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Of its finished event, if it has one.
  std::optional<v1::SessionMemory> Memory() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void AppendLocked(v1::TurnEvent event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Next ReadLocked(int64_t after, bool merge) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeReaders() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  struct Place {
    int64_t after;
    bool merge;
  };

  // Constant after construction.
  const std::string session_id_;
  const int64_t turn_;
  const size_t replay_events_;

  mutable absl::Mutex mutex_;
  std::vector<v1::TurnEvent> events_ ABSL_GUARDED_BY(mutex_);  // number n is events_[n - 1]
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);
  std::map<Reader*, Place> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_CLIENT_FAKE_TURN_H_
