// A turn on its way to a session: what was asked, and the record that its output goes to.

#ifndef PERENNIAL_SERVER_ENGINE_SUBMITTED_TURN_H_
#define PERENNIAL_SERVER_ENGINE_SUBMITTED_TURN_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/engine/engine.h"
#include "server/engine/tenants.h"
#include "server/engine/turn.h"
#include "server/engine/turn_reader.h"
#include "server/engine/turn_record.h"

namespace perennial {

// A value that moves from the caller through the inbox and the queue to the running turn. Its record gets the turn's
// events, and must get its end.
struct SubmittedTurn {
  // `options` must outlive the turn.
  SubmittedTurn(TurnSpec turn_spec, TurnSink* sink, absl::Status checked, const EngineOptions* options, absl::Time now)
      : spec(std::move(turn_spec)),
        check(std::move(checked)),
        submitted(now),
        record(std::make_shared<TurnRecord>(TurnReader(sink, spec.deadline), spec.on_disconnect, options, now)) {}

  TurnSpec spec;
  absl::Status check;  // of the spec, made on the caller's thread; what the turn ends with if it is not OK
  absl::Time submitted;
  std::shared_ptr<TurnRecord> record;  // shared with those who find it by its number or request id
  Tenants::Place tenant;               // from the time when it waits; engine thread only
};

// Why a turn ends before its reply does by itself.
struct EarlyEnd {
  absl::Status status;                             // OK: it finishes regularly, for `reason`
  FinishReason reason = FinishReason::kCancelled;  // only with an OK status
};

// The result of a turn that was never admitted.
inline TurnResult ResultOfRejected(const SubmittedTurn& turn, EarlyEnd why, absl::Time now) {
  TurnResult result;
  result.status = std::move(why.status);
  result.reason = why.reason;
  result.session_id = turn.spec.session_id;
  result.timing.queue = now - turn.submitted;
  return result;
}

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_SUBMITTED_TURN_H_
