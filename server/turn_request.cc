#include "server/turn_request.h"

#include "absl/strings/str_cat.h"
#include "server/request_identity.h"
#include "server/request_rules.h"

namespace perennial {
namespace {

// What Attach and CancelTurn have in common; the engine checks it further.
template <typename Request>
absl::StatusOr<TurnAddress> CheckAddress(const Request& request) {
  if (absl::Status status = CheckRequestId(request.request_id()); !status.ok()) return status;
  return TurnAddress{.session_id = request.session_id(), .turn = request.turn(), .request_id = request.request_id()};
}

}  // namespace

absl::StatusOr<AttachSpec> CheckAttach(const v1::AttachRequest& request) {
  absl::StatusOr<TurnAddress> turn = CheckAddress(request);
  if (!turn.ok()) return turn.status();
  if (request.from_sequence() < 0) {
    return FieldError("from_sequence", absl::StrCat(request.from_sequence(), " is negative"));
  }
  if (request.from_oldest() && request.from_sequence() != 0) {
    return FieldError("from_sequence", "goes only without from_oldest");
  }
  return AttachSpec{.turn = *std::move(turn),
                    .from_sequence = request.from_sequence() == 0 ? 1 : request.from_sequence(),
                    .from_oldest = request.from_oldest()};
}

absl::StatusOr<TurnAddress> CheckCancelTurn(const v1::CancelTurnRequest& request) { return CheckAddress(request); }

}  // namespace perennial
