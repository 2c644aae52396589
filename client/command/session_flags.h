// The flags that say how a session is made, for `ask`, `chat` and `sessions create`, and the request made of them.

#ifndef PERENNIAL_CLIENT_COMMAND_SESSION_FLAGS_H_
#define PERENNIAL_CLIENT_COMMAND_SESSION_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/command/flag_set.h"
#include "perennial/v1/chat_service.pb.h"

namespace perennial {

// Each member is the flag of its name and becomes a field of SessionConfig (proto/perennial/v1/session.proto), which
// says what it means and may be. What is not given is not sent: the server's defaults hold. Limits are the server's to
// check.
struct SessionFlags {
  std::string system;  // the system prompt, a message of the history; empty: none
  std::optional<int32_t> cache_tokens;
  std::optional<int32_t> sink_tokens;  // at least so many: a pinned system prompt makes more
  std::optional<int32_t> note_tokens;  // the budget, taken out of cache_tokens
  std::string eviction;                // TURN_WISE or TOKEN_WISE, in any case
  std::string pinned_head;             // SYSTEM_PROMPT, SYSTEM_PROMPT_START or SINKS_ONLY, in any case
  std::optional<absl::Duration> idle_timeout;
  std::vector<std::string> labels;  // --label=NAME=VALUE; a name given twice: the last counts

  // Adds the flags, which write into this object: it must outlive `flags`.
  void AddTo(FlagSet& flags);

  // False where a session that exists is to be gone on with: nothing here could still be said to it.
  bool any_given() const;

  // INVALID_ARGUMENT, with the flag's name, for a label without a name or "=", a word that is none of the flag's, text
  // that is not UTF-8, and an idle_timeout that is not above 0 or beyond ten years.
  absl::StatusOr<v1::SessionConfig> Config() const;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_SESSION_FLAGS_H_
