// How far a turn's events have been read, over as many streams as it took: what comes twice is left out, and what is
// missing is noticed. Arithmetic only.

#ifndef PERENNIAL_CLIENT_TURN_PROGRESS_H_
#define PERENNIAL_CLIENT_TURN_PROGRESS_H_

#include <cstdint>

#include "perennial/v1/turn.pb.h"

namespace perennial {

// What to do with an event that was read.
enum class EventFate {
  kShow,      // it is new, or has no number of its own
  kSkip,      // it was read before, on a stream that is lost
  kAskAgain,  // events before it are missing, or it overlaps with what was read: ask again from next_sequence()
};

// One for each turn. Not thread-safe.
class TurnProgress {
 public:
  // Events from 1 on are wanted; with `from_oldest` from whichever comes first.
  explicit TurnProgress(int64_t from_sequence = 1, bool from_oldest = false)
      : last_(from_sequence - 1), anywhere_(from_oldest) {}

  // Decides about the next event of a stream and, for kShow, counts it as read.
  EventFate Take(const v1::TurnEvent& event);

  // The number to ask for after a loss.
  int64_t next_sequence() const { return last_ + 1; }

  // Events with numbers were read. Without any, a lost turn may never have begun.
  bool any_read() const { return any_read_; }

  // `started` was read: the turn was admitted.
  bool started() const { return started_; }

  // False once an event came without a number (from a server that gives none): a lost stream cannot be gone on with.
  bool resumable() const { return resumable_; }

 private:
  int64_t last_;   // number of the newest event that was read
  bool anywhere_;  // the first event may have any number
  bool any_read_ = false;
  bool started_ = false;
  bool resumable_ = true;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_TURN_PROGRESS_H_
