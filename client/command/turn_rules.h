// The flags that say what rules a turn runs under, for `ask` and `chat`: how long, how urgently, what happens when it
// repeats itself or its message is too long.

#ifndef PERENNIAL_CLIENT_COMMAND_TURN_RULES_H_
#define PERENNIAL_CLIENT_COMMAND_TURN_RULES_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/command/flag_set.h"
#include "perennial/v1/chat_service.pb.h"

namespace perennial {

// What is not given is left to the server. Words may be written in any case.
struct TurnRules {
  std::optional<absl::Duration> max_time;
  std::string on_repetition;  // ignore, report or finish
  std::string long_message;   // accept or refuse
  std::string priority;       // interactive or batch
  std::string if_busy;        // wait, reject or interrupt

  void AddTo(FlagSet& flags);

  // Sets the request's fields. INVALID_ARGUMENT for a time that is not above 0 or a word that is none of the flag's.
  absl::Status ApplyTo(v1::ChatRequest& request) const;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_TURN_RULES_H_
