// What one turn has said, and who follows it.
//
// Every event of a turn passes through its record. The record gives it its number, keeps the newest ones for replay,
// and passes them on to the turn's readers, each as fast as that reader takes them. So a turn belongs to its session
// and not to a connection: readers come (Attach) and go, and one that comes back misses nothing that is still kept.
//
//   events   1 … dropped … | oldest ……… kept ……… newest |
//                                  ^ floor: what the pacer has not got; never dropped
//
// The *pacer* is the reader that started the turn, or one that came back for it (it knows the turn's request id), or
// else the one that has followed longest. So a connection that died unnoticed holds up nobody who has a new one.
// Its turn pauses while it does
// not read, or while half of replay_bytes wait for it; the other half then still holds what was sent to it and perhaps
// never arrived. Where nobody follows, the same holds for what came since the last reader left. A reader that is not
// the pacer never holds up the turn: what it needs may be dropped, and then it is cut off.

#ifndef PERENNIAL_SERVER_ENGINE_TURN_RECORD_H_
#define PERENNIAL_SERVER_ENGINE_TURN_RECORD_H_

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/engine/engine.h"
#include "server/engine/turn.h"
#include "server/engine/turn_reader.h"

namespace perennial {

using TurnEventPayload = decltype(TurnEvent::event);

// Engine thread only (or whichever thread ends the turn when the engine takes it no more). Must have no reader left
// when it is destroyed.
class TurnRecord {
 public:
  // A turn that waits, with the reader that starts it. `options` must outlive the record.
  TurnRecord(TurnReader starter, OnDisconnect on_disconnect, const EngineOptions* options, absl::Time now);
  TurnRecord(const TurnRecord&) = delete;
  TurnRecord& operator=(const TurnRecord&) = delete;
  ~TurnRecord();

  // ---- The turn's side. ----

  // Of the reader that started the turn. REQUIRES: it has not begun.
  const std::shared_ptr<TurnTicket>& starter_ticket() const { return followers_.front().reader.ticket(); }

  // Which turn this is: its session when it has one, its number once it is admitted.
  void SetSession(std::string session_id) { session_id_ = std::move(session_id); }
  void SetAdmitted(int64_t turn);

  // The turn's next event.
  void Send(TurnEventPayload event, absl::Time now);

  // A heartbeat, which repeats the last number and is not kept: for readers that have all there is.
  void SendHeartbeat(const TurnHeartbeat& heartbeat, absl::Time now);

  // Somebody listens and has heard nothing for heartbeat_interval.
  bool HeartbeatDue(absl::Time now) const;

  // One more token was sampled.
  void CountToken() { ++generated_tokens_; }

  // The turn's end; sets result.sequence. Readers get it when they have got everything before it; one that the turn
  // ended with (Poll) gets it at once.
  void Finish(TurnResult result);

  // CancelTurn: the turn is to end at its next token boundary. False if it has ended or was asked already.
  bool RequestCancel();
  bool cancel_requested() const { return cancel_requested_; }

  // ---- Readers. ----

  // Lets `reader` follow: sends it the turn's state, then events from `from_sequence` on, or the oldest that is kept.
  // What cannot be replayed ends the reader with BEYOND_REPLAY, one too many with QUEUE_FULL. `paces`: as the pacer.
  void Attach(TurnReader reader, int64_t from_sequence, bool from_oldest, bool paces = false);

  // The call that started the turn came again: `reader` takes its place, from the first event on. The one before is
  // from then on a reader like others.
  void Rejoin(TurnReader reader, OnDisconnect on_disconnect);

  // Gives up the starting reader of a turn that never was one. REQUIRES: nobody else follows.
  TurnReader ReleaseStarter();

  // Looks after the readers: sends what they take, lets go who left, came to its deadline or was too slow for
  // slow_reader_timeout. Not OK: the turn must end for this reason, because its starter is gone (OnDisconnect::kCancel)
  // or nobody has followed for detach_timeout. Once per pass of the engine.
  absl::Status Poll(absl::Time now);

  // Ends all readers, but not the turn, with `status`.
  void CutReaders(const absl::Status& status, absl::Time now);

  // True while the turn must not go on: as of the last Poll.
  bool paused() const { return paused_; }

  // When Poll or a heartbeat is due, if no reader moves.
  absl::Time NextWakeTime() const;

  // ---- What is known of it. ----

  const std::string& session_id() const { return session_id_; }
  int64_t turn() const { return turn_; }  // 0 until admitted
  bool ended() const { return phase_ == TurnPhase::kEnded; }
  bool has_readers() const { return !followers_.empty(); }
  bool detached() const { return followers_.empty() && !ended(); }
  int64_t sequence() const { return sequence_; }                   // of the last event, 0 before; the end not counted
  int64_t bytes() const { return total_bytes_ - DroppedBytes(); }  // of the events that are kept

  // Forgets the events of a turn that has ended; its end stays. REQUIRES: ended, no readers.
  void DropEvents();

 private:
  struct KeptEvent {
    TurnEvent event;
    int64_t bytes_before;  // of all events before it, dropped or not
  };
  struct Follower {
    TurnReader reader;
    int64_t next;  // number of the first event that it has not got
    bool starter = false;
    bool lost = false;                               // the turn ends because of it
    absl::Time slow_since = absl::InfiniteFuture();  // InfiniteFuture: it reads
  };
  using FollowerRef = std::list<Follower>::iterator;

  // Sends what the follower takes; ends it, and returns true, if that was all.
  bool Pump(FollowerRef follower);
  absl::Status WhySlow(Follower& follower, absl::Time now);
  // Ends a follower before the turn's end, or because it is too far behind.
  void Cut(FollowerRef follower, absl::Status status, absl::Time now);
  void Trim(absl::Time now);
  absl::Status CheckAttach(int64_t first) const;
  // A reader's end that is not the turn's. `next`: the number of the first event that it has not got.
  TurnResult EndFor(absl::Status status, int64_t next) const;

  int64_t FirstReplayable() const { return events_.empty() ? sequence_ + 1 : events_.front().event.sequence; }
  int64_t Newest() const { return sequence_ + (result_.has_value() && result_->status.ok() ? 1 : 0); }
  int64_t Floor() const { return followers_.empty() ? detached_from_ : followers_.front().next; }
  int64_t DroppedBytes() const { return events_.empty() ? total_bytes_ : events_.front().bytes_before; }
  int64_t UnreadBytes() const;
  TurnState State() const;

  // Constant after construction.
  const EngineOptions* const options_;

  // The turn.
  std::string session_id_;
  int64_t turn_ = 0;
  TurnPhase phase_ = TurnPhase::kWaiting;
  int64_t generated_tokens_ = 0;
  bool cancel_requested_ = false;
  std::optional<TurnResult> result_;  // once ended

  // Its events.
  int64_t sequence_ = 0;
  std::deque<KeptEvent> events_;  // the newest, without a gap
  int64_t total_bytes_ = 0;       // of all events, dropped or not
  absl::Time last_sent_;          // creation, before the first event

  // Its readers: the pacer first, the others in the order in which they came.
  OnDisconnect on_disconnect_;
  std::list<Follower> followers_;
  bool paused_ = false;
  absl::Time detached_since_ = absl::InfiniteFuture();  // while nobody follows
  int64_t detached_from_ = 1;                           // the first event that the last reader has not got
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_TURN_RECORD_H_
