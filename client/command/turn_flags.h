// The flags that say how a reply is made, for `ask` and `chat`, and the request made of them.

#ifndef PERENNIAL_CLIENT_COMMAND_TURN_FLAGS_H_
#define PERENNIAL_CLIENT_COMMAND_TURN_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/command/flag_set.h"
#include "perennial/v1/chat_service.pb.h"

namespace perennial {

// How a reply is made: each member is the flag of its name, and what each means and may be is said by the field of
// ChatRequest or Sampling that it becomes (proto/perennial/v1/). What is not given is not sent, so that the server's
// and the model's defaults hold. Limits are the server's to check, too: it names the field and the limit.
struct TurnFlags {
  std::optional<int64_t> max_tokens;  // of a reply; 0, with ignore_end_of_turn: without end
  bool ignore_end_of_turn = false;
  std::vector<std::string> stop;  // texts
  std::optional<float> temperature;
  std::optional<int32_t> top_k;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> repetition_penalty;
  std::optional<int32_t> repetition_window;  // in tokens
  std::optional<uint64_t> seed;
  std::optional<float> typical_p;
  std::optional<float> presence_penalty;
  std::optional<float> frequency_penalty;
  std::optional<float> dry_multiplier;  // any of the three turns DRY on
  std::optional<float> dry_base;
  std::optional<int32_t> dry_allowed_length;
  std::vector<std::string> logit_bias;   // TOKEN=BIAS; a token given twice: the last counts
  std::vector<std::string> stop_tokens;  // --stop_token: ids
  int32_t min_tokens = 0;                // 0: none
  std::string json_schema;               // the schema, or @FILE, which Request reads; empty: none

  // Adds the flags, which write into this object: it must outlive `flags`.
  void AddTo(FlagSet& flags);

  // A request of everything but session and message. INVALID_ARGUMENT, with the flag's name, for text that is not
  // UTF-8, a token id or bias that is not a number, and a schema's file that cannot be read.
  absl::StatusOr<v1::ChatRequest> Request() const;
};

// INVALID_ARGUMENT "NAME is not UTF-8: byte N is 0xff" unless the text is UTF-8: protobuf would refuse it later,
// without saying which it was. N counts from 0.
absl::Status CheckUtf8(absl::string_view name, absl::string_view text);

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_TURN_FLAGS_H_
