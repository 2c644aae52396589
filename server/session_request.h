// Requests about sessions: checked, filled up with defaults, and turned into what the engine takes. Every error is
// INVALID_FIELD and begins with the field's path, its value and its limit.

#ifndef PERENNIAL_SERVER_SESSION_REQUEST_H_
#define PERENNIAL_SERVER_SESSION_REQUEST_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/text/chat_template.h"
#include "perennial/v1/chat_service.pb.h"
#include "perennial/v1/session.pb.h"
#include "server/engine/session.h"
#include "server/prompt_renderer.h"
#include "server/request_rules.h"

namespace perennial {

// A session that may be created, but for its opening, which takes longer (RenderOpening).
struct CheckedSession {
  SessionSpec spec;  // its shape: as if nothing but sink_tokens were pinned, until RenderOpening
  PinnedHead pinned_head = PinnedHead::kSinksOnly;
  std::vector<Message> history;
  int64_t text_bytes = 0;  // of the history
};

// Checks a `config` field. sink_tokens, where unset, is the server's, but at most cache_tokens - 1.
absl::StatusOr<CheckedSession> CheckSessionConfig(const v1::SessionConfig& config, const RequestRules& rules);

// Renders and tokenizes the history into spec.opening and spec.first_turn, and sets aside in spec.shape what of it is
// pinned.
absl::Status RenderOpening(const PromptRenderer& renderer, const RequestRules& rules, CheckedSession& session);

absl::StatusOr<SessionUpdate> CheckUpdate(const v1::UpdateSessionRequest& request, const RequestRules& rules);

absl::StatusOr<ForkSpec> CheckFork(const v1::ForkSessionRequest& request, const RequestRules& rules);

absl::StatusOr<RewindSpec> CheckRewind(const v1::RewindSessionRequest& request);

absl::StatusOr<ListSpec> CheckList(const v1::ListSessionsRequest& request, const RequestRules& rules);

// `field`: of the repeated field, for errors such as "messages[2].role: …".
absl::StatusOr<std::vector<Message>> CheckMessages(absl::string_view field,
                                                   const google::protobuf::RepeatedPtrField<v1::Message>& messages,
                                                   const RequestRules& rules);

// Bytes of all texts together, with what a template writes around each.
int64_t TextBytes(absl::Span<const Message> messages);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_SESSION_REQUEST_H_
