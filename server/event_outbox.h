// What a turn has produced and its client has not yet read. Deltas that wait are merged, so a slow client gets fewer
// and larger messages, and one write in flight is enough.

#ifndef PERENNIAL_SERVER_EVENT_OUTBOX_H_
#define PERENNIAL_SERVER_EVENT_OUTBOX_H_

#include <cstdint>
#include <deque>

#include "perennial/v1/turn.pb.h"

namespace perennial {

// A value; not thread-safe (TurnReactor guards it).
class EventOutbox {
 public:
  // Appends an event. A delta right after a waiting delta is merged into it (first_sequence stays, sequence moves on,
  // texts, token counts and log-probabilities add up); a heartbeat replaces a waiting heartbeat. All else keeps its
  // place.
  void Push(v1::TurnEvent event);

  bool empty() const { return waiting_.empty(); }

  // The oldest event, to be written now. REQUIRES: not empty, and the one before was Written.
  v1::TurnEvent TakeNext();

  // What TakeNext gave has left this process (or never will).
  void Written() { in_flight_bytes_ = 0; }

  // Forgets what waits: nobody will read it.
  void DropWaiting();

  // Bytes of the events that wait or are in flight, as encoded, and as if none had been merged: so that a small limit
  // on them is also one on the number of events that a broken connection takes with it, which must be few enough to be
  // replayed.
  int64_t unread_bytes() const { return waiting_bytes_ + in_flight_bytes_; }

 private:
  struct Waiting {
    v1::TurnEvent event;
    int64_t bytes;  // of all that is merged in it
  };
  std::deque<Waiting> waiting_;
  int64_t waiting_bytes_ = 0;
  int64_t in_flight_bytes_ = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_EVENT_OUTBOX_H_
