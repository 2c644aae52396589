#include "server/engine/turn_output.h"

#include <utility>

#include "model/check.h"

namespace perennial {

TurnOutput::~TurnOutput() { PERENNIAL_CHECK(sink_ == nullptr); }

void TurnOutput::Send(TurnEventPayload event, absl::Time now) {
  PERENNIAL_CHECK(sink_ != nullptr);
  last_sent_ = now;
  sink_->OnEvent({++sequence_, std::move(event)});
}

void TurnOutput::SendHeartbeat(const TurnHeartbeat& heartbeat, absl::Time now) {
  PERENNIAL_CHECK(sink_ != nullptr);
  last_sent_ = now;
  sink_->OnEvent({sequence_, heartbeat});
}

void TurnOutput::Finish(TurnResult result) {
  PERENNIAL_CHECK(sink_ != nullptr);
  result.sequence = sequence_ + 1;
  // Nothing of this object is touched after the call: the sink may be gone with it.
  sink_.release()->OnFinish(std::move(result));
}

void TurnOutput::PollReadiness(absl::Time now) {
  if (sink_->ReadyForMore()) {
    paused_since_ = absl::InfiniteFuture();
  } else if (!paused()) {
    paused_since_ = now;
  }
}

}  // namespace perennial
