// What a request may ask for: pure checks against the limits, run on the caller's thread so that the engine's does not.
//
// Every error is INVALID_FIELD, and its message names the field, its value and its limit.

#ifndef PERENNIAL_SERVER_ENGINE_SPEC_CHECKS_H_
#define PERENNIAL_SERVER_ENGINE_SPEC_CHECKS_H_

#include "absl/status/status.h"
#include "model/model_runner.h"
#include "server/engine/engine.h"
#include "server/engine/session.h"
#include "server/engine/turn.h"

namespace perennial {

absl::Status CheckSessionSpec(const SessionSpec& spec, const EngineOptions& options, const RunnerLimits& runner);
absl::Status CheckSessionUpdate(const SessionUpdate& update, const EngineOptions& options);
absl::Status CheckNotesSpec(const NotesSpec& notes, const EngineOptions& options, const RunnerLimits& runner);
absl::Status CheckListSpec(const ListSpec& spec, const EngineOptions& options);
absl::Status CheckForkSpec(const ForkSpec& spec, const EngineOptions& options);
absl::Status CheckRewindSpec(const RewindSpec& spec);
absl::Status CheckTurnSpec(const TurnSpec& spec, const EngineOptions& options, const RunnerLimits& runner);
absl::Status CheckAttachSpec(const AttachSpec& spec);
absl::Status CheckTurnAddress(const TurnAddress& turn);  // for CancelTurn: at most one of number and request id

// For a turn that refuses a long message: its variant `next` must not have more tokens than the window of its session.
absl::Status CheckMessageFits(const TurnSpec& spec, FirstTurn next, const CacheShape& shape);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_SPEC_CHECKS_H_
