// What a request says about how much a turn or a session may use, and about who goes first: checked, and filled up with
// the server's defaults.

#ifndef PERENNIAL_SERVER_BUDGET_REQUEST_H_
#define PERENNIAL_SERVER_BUDGET_REQUEST_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "perennial/v1/chat_service.pb.h"
#include "server/engine/session.h"
#include "server/engine/turn.h"
#include "server/request_rules.h"

namespace perennial {

// Sets the turn's priority, max_time and on_repetition. INVALID_FIELD for the first bad field.
absl::Status CheckTurnBudget(const v1::ChatRequest& request, const RequestRules& rules, TurnSpec& turn);

// A session's budget, as `field` of the request. INVALID_FIELD.
absl::StatusOr<SessionBudget> CheckSessionBudget(absl::string_view field, const v1::SessionBudget& budget,
                                                 const RequestRules& rules);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_BUDGET_REQUEST_H_
