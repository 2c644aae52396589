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

// What is not given is left to the server.
struct SessionFlags {
  std::string system;
  std::optional<int32_t> cache_tokens;
  std::optional<int32_t> sink_tokens;
  std::optional<int32_t> note_tokens;
  std::string eviction;     // TURN_WISE or TOKEN_WISE, in any case
  std::string pinned_head;  // SYSTEM_PROMPT, SYSTEM_PROMPT_START or SINKS_ONLY, in any case
  std::optional<absl::Duration> idle_timeout;
  std::vector<std::string> labels;  // NAME=VALUE

  void AddTo(FlagSet& flags);
  bool any_given() const;

  // INVALID_ARGUMENT for a label without "=", a word that is none of the flag's, or text that is not UTF-8.
  absl::StatusOr<v1::SessionConfig> Config() const;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_SESSION_FLAGS_H_
