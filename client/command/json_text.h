// What --json prints: one object per program run, on standard output. Scripts rely on the names; tests know them
// exactly. Durations are seconds, rates are tokens per second (0 when too short to say), times are RFC 3339 in UTC.

#ifndef PERENNIAL_CLIENT_COMMAND_JSON_TEXT_H_
#define PERENNIAL_CLIENT_COMMAND_JSON_TEXT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "perennial/v1/chat_service.pb.h"

namespace perennial {

// {"text", "session", "finish_reason": "END_OF_TURN"|"MAX_TOKENS"|…,
//  "usage": {"fed_tokens", "generated_tokens", "evicted_tokens"},
//  "timing": {"queue_seconds", "prefill_tokens_per_second", "first_token_seconds", "decode_tokens_per_second"}}
// `prompt_tokens` are those that were fed before the reply's first token (Started.prompt_tokens).
std::string ReplyJson(absl::string_view text, absl::string_view session_id, int64_t prompt_tokens,
                      const v1::Finished& finished);

// {"session", "state", "turns", "last_turn", "create_time", "last_use_time", "expire_time", "idle_timeout_seconds",
//  "route", "labels", "cache_bytes", "parked", "memory": {"stream_tokens", "visible_tokens", "forgotten_tokens",
//  "horizon_token", "horizon_turn", "sink_tokens", "window_tokens", "window_tokens_used", "note_tokens"}, "notes": …}
std::string SessionJson(const v1::Session& session);

// {"sessions": […]}
std::string SessionsJson(const std::vector<v1::Session>& sessions);

// {"text", "pinned_turns": [3, 5], "tokens", "budget_tokens"}
std::string NotesJson(const v1::Notes& notes);

// {"turns": [{"turn", "messages": [{"role": "user", "text"}, …], "truncated", "forgotten"}, …]}
std::string TranscriptJson(const std::vector<v1::TranscriptTurn>& turns);

// The fields of the message under their names of the API, durations as …_seconds.
std::string StatsJson(const v1::Stats& stats);
std::string ModelJson(const v1::GetModelResponse& model);

// {"tokens"}
std::string CountJson(int64_t tokens);

// {"error": {"code": "NOT_FOUND", "reason": "SESSION_NOT_FOUND", "message"}}; message is the line of ErrorText.
std::string ErrorJson(const absl::Status& status, absl::string_view server);

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_JSON_TEXT_H_
