// Who wants to know that a turn's connection was lost and found again.

#ifndef PERENNIAL_CLIENT_CONNECTION_OBSERVER_H_
#define PERENNIAL_CLIENT_CONNECTION_OBSERVER_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace perennial {

// Called by ChatClient::Chat and ChatClient::Attach on the thread of the call, between events.
class ConnectionObserver {
 public:
  virtual ~ConnectionObserver() = default;

  // The turn's stream broke because of `cause`, or could not be had (QUEUE_FULL); it is asked for again after `wait`.
  // Once for every attempt that failed.
  virtual void OnLost(const absl::Status& cause, absl::Duration wait) = 0;

  // The stream goes on where it broke: the next event is the one that would have come then.
  virtual void OnFound() = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_CONNECTION_OBSERVER_H_
