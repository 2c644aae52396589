// The flags that `ask` and `chat` (and, for a session's making, `sessions create`) share, and the requests made of
// them.

#ifndef PERENNIAL_CLIENT_COMMAND_TURN_FLAGS_H_
#define PERENNIAL_CLIENT_COMMAND_TURN_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/command/flag_set.h"
#include "perennial/v1/chat_service.pb.h"

namespace perennial {

// How a session is made. What is not given is left to the server.
struct SessionFlags {
  std::string system;
  std::optional<int32_t> cache_tokens;
  std::optional<int32_t> sink_tokens;
  std::optional<absl::Duration> idle_timeout;
  std::vector<std::string> labels;  // NAME=VALUE

  void AddTo(FlagSet& flags);
  bool any_given() const;

  // INVALID_ARGUMENT for a label without "=" or text that is not UTF-8.
  absl::StatusOr<v1::SessionConfig> Config() const;
};

// How a reply is made. Limits are the server's to check: it names the field and the limit.
struct TurnFlags {
  std::optional<int64_t> max_tokens;
  bool ignore_end_of_turn = false;
  std::vector<std::string> stop;
  std::optional<float> temperature;
  std::optional<int32_t> top_k;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> repetition_penalty;
  std::optional<int32_t> repetition_window;
  std::optional<uint64_t> seed;

  void AddTo(FlagSet& flags);

  // A request of everything but session and message. INVALID_ARGUMENT for a stop string that is not UTF-8.
  absl::StatusOr<v1::ChatRequest> Request() const;
};

// INVALID_ARGUMENT "NAME is not UTF-8: byte N is 0xff" unless the text is UTF-8.
absl::Status CheckUtf8(absl::string_view name, absl::string_view text);

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_TURN_FLAGS_H_
