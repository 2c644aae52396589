// Requests about turns that exist: checked, and turned into what the engine takes.

#ifndef PERENNIAL_SERVER_TURN_REQUEST_H_
#define PERENNIAL_SERVER_TURN_REQUEST_H_

#include "absl/status/statusor.h"
#include "perennial/v1/chat_service.pb.h"
#include "server/engine/turn.h"

namespace perennial {

// INVALID_FIELD for the first bad field.
absl::StatusOr<AttachSpec> CheckAttach(const v1::AttachRequest& request);
absl::StatusOr<TurnAddress> CheckCancelTurn(const v1::CancelTurnRequest& request);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_TURN_REQUEST_H_
