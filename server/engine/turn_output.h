// One turn's way to its client: gives events their sequence numbers and sees to it that there is exactly one end.

#ifndef PERENNIAL_SERVER_ENGINE_TURN_OUTPUT_H_
#define PERENNIAL_SERVER_ENGINE_TURN_OUTPUT_H_

#include <cstdint>
#include <memory>
#include <variant>

#include "absl/time/time.h"
#include "server/engine/turn.h"

namespace perennial {

using TurnEventPayload = decltype(TurnEvent::event);

// Engine thread only (or whichever thread ends the turn when the engine takes it no more). Must be finished before it
// is destroyed: a turn whose client waits for ever is a bug of ours and ends the process.
class TurnOutput {
 public:
  TurnOutput(TurnSink* sink, absl::Time now) : sink_(sink), last_sent_(now) {}
  TurnOutput(TurnOutput&&) = default;
  TurnOutput& operator=(TurnOutput&&) = delete;
  ~TurnOutput();

  // Sends the turn's next event.
  void Send(TurnEventPayload event, absl::Time now);

  // Sends a heartbeat, which repeats the last sequence number.
  void SendHeartbeat(const TurnHeartbeat& heartbeat, absl::Time now);

  // Ends the turn; sets result.sequence. Nothing may be sent afterwards.
  void Finish(TurnResult result);

  // Asks the sink whether it takes more.
  void PollReadiness(absl::Time now);

  bool paused() const { return paused_since_ != absl::InfiniteFuture(); }  // as of the last poll
  absl::Time paused_since() const { return paused_since_; }                // InfiniteFuture while not paused
  absl::Time last_sent() const { return last_sent_; }                      // creation, before the first event
  int64_t sequence() const { return sequence_; }                           // of the last event, 0 before

 private:
  struct Release {  // does not own: makes a moved-from output empty
    void operator()(TurnSink*) const {}
  };
  std::unique_ptr<TurnSink, Release> sink_;  // null once finished
  int64_t sequence_ = 0;
  absl::Time last_sent_;
  absl::Time paused_since_ = absl::InfiniteFuture();
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_TURN_OUTPUT_H_
