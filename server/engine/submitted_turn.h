// A turn on its way to a session: what was asked, who may cancel it, where its output goes.

#ifndef PERENNIAL_SERVER_ENGINE_SUBMITTED_TURN_H_
#define PERENNIAL_SERVER_ENGINE_SUBMITTED_TURN_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/engine/tenants.h"
#include "server/engine/turn.h"
#include "server/engine/turn_output.h"

namespace perennial {

// A value that moves from the caller through the inbox and the queue to the running turn. Ends with RejectTurn or
// inside an ActiveTurn.
struct SubmittedTurn {
  SubmittedTurn(TurnSpec turn_spec, TurnSink* sink, absl::Status checked, absl::Time now)
      : spec(std::move(turn_spec)),
        ticket(std::make_shared<TurnTicket>()),
        check(std::move(checked)),
        submitted(now),
        output(sink, now) {}

  TurnSpec spec;
  std::shared_ptr<TurnTicket> ticket;
  absl::Status check;  // of the spec, made on the caller's thread; what the turn ends with if it is not OK
  absl::Time submitted;
  TurnOutput output;
  Tenants::Place tenant;  // from the time when it waits; engine thread only
};

// Ends a turn that was never admitted, because of `status` (not OK).
inline void RejectTurn(SubmittedTurn turn, absl::Status status, absl::Time now) {
  TurnResult result;
  result.status = std::move(status);
  result.session_id = turn.spec.session_id;
  result.timing.queue = now - turn.submitted;
  turn.output.Finish(std::move(result));
}

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_SUBMITTED_TURN_H_
