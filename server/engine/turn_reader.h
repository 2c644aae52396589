// One reader of a turn on the engine's side: its TurnSink, its ticket, and the promise of exactly one end.

#ifndef PERENNIAL_SERVER_ENGINE_TURN_READER_H_
#define PERENNIAL_SERVER_ENGINE_TURN_READER_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "model/check.h"
#include "server/engine/turn.h"

namespace perennial {

// A value that moves from the caller through the inbox to the turn that it follows. Engine thread only (or whichever
// thread ends it when the engine takes it no more). Must be finished before it is destroyed: a client that waits for
// ever is a bug of ours and ends the process.
class TurnReader {
 public:
  // `sink` must live until its OnFinish. `deadline`: of the client's call.
  explicit TurnReader(TurnSink* sink, absl::Time deadline = absl::InfiniteFuture())
      : sink_(sink), ticket_(std::make_shared<TurnTicket>()), deadline_(deadline) {}
  TurnReader(TurnReader&&) = default;
  TurnReader& operator=(TurnReader&&) = delete;
  ~TurnReader() { PERENNIAL_CHECK(sink_ == nullptr); }

  // For the caller, to leave.
  const std::shared_ptr<TurnTicket>& ticket() const { return ticket_; }

  absl::Time deadline() const { return deadline_; }

  bool Ready() const { return sink_->ReadyForMore(); }

  // CANCELLED once it has left, DEADLINE_EXCEEDED once its deadline has passed.
  absl::Status WhyGone(absl::Time now) const {
    if (ticket_->left()) return absl::CancelledError("the client left");
    if (deadline_ <= now) return absl::DeadlineExceededError("the call's deadline has passed");
    return absl::OkStatus();
  }

  void Deliver(TurnEvent event) { sink_->OnEvent(std::move(event)); }

  // The end. Nothing of this object is touched after the sink's call: both may be gone with it.
  void Finish(TurnResult result) { sink_.release()->OnFinish(std::move(result)); }

 private:
  struct Release {  // does not own: makes a moved-from reader empty
    void operator()(TurnSink*) const {}
  };
  std::unique_ptr<TurnSink, Release> sink_;  // null once finished
  std::shared_ptr<TurnTicket> ticket_;
  absl::Time deadline_;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_TURN_READER_H_
