// A Chat or AppendMessages request: checked, filled up with defaults, and turned into the engine's TurnSpec. In two
// parts, because reading fields is quick and tokenizing texts may not be: CheckChat on the gRPC thread, RenderChat
// where TextWorker says.

#ifndef PERENNIAL_SERVER_CHAT_REQUEST_H_
#define PERENNIAL_SERVER_CHAT_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "perennial/v1/chat_service.pb.h"
#include "server/engine/turn.h"
#include "server/prompt_renderer.h"
#include "server/request_rules.h"
#include "server/session_request.h"

namespace perennial {

struct CheckedChat {
  TurnSpec turn;                          // without message and ephemeral session until RenderChat; without deadline
  std::string message;                    // the user's text
  std::optional<CheckedSession> session;  // the session that ends with the call; none if a session id was given
  std::string json_schema;                // what the reply must satisfy; empty: nothing
  int64_t text_bytes = 0;                 // of all texts; a JSON Schema makes them long ones, whatever their length
};

// Messages that are fed without a reply.
struct CheckedAppend {
  TurnSpec turn;  // without message until RenderAppend; without deadline
  std::vector<Message> messages;
  int64_t text_bytes = 0;
};

// INVALID_FIELD for the first bad field.
absl::StatusOr<CheckedAppend> CheckAppend(const v1::AppendMessagesRequest& request, const RequestRules& rules);

// Fills in the turn's message. INVALID_FIELD.
absl::StatusOr<TurnSpec> RenderAppend(const PromptRenderer& renderer, const RequestRules& rules, CheckedAppend append);

// INVALID_FIELD for the first bad field. `seed` is used where the request has none.
absl::StatusOr<CheckedChat> CheckChat(const v1::ChatRequest& request, const RequestRules& rules, uint64_t seed);

// Fills in the turn's message, its constraint, and, where there is one, the session with its opening. INVALID_FIELD.
absl::StatusOr<TurnSpec> RenderChat(const PromptRenderer& renderer, const RequestRules& rules, CheckedChat chat);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_CHAT_REQUEST_H_
