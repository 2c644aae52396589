// Events and results as an engine gives them, for tests of the reactors.

#ifndef PERENNIAL_TESTS_SERVER_TURN_EVENTS_H_
#define PERENNIAL_TESTS_SERVER_TURN_EVENTS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "server/engine/turn.h"

namespace perennial {

inline constexpr char kSessionId[] = "0123456789abcdef0123456789abcdef";

inline TurnEvent Started() {
  TurnStarted started;
  started.session_id = kSessionId;
  started.turn = 7;
  return {.sequence = 1, .event = started};
}

inline TurnEvent Delta(int64_t sequence, std::string text) {
  return {.sequence = sequence, .event = TurnDelta{.text = std::move(text), .tokens = 1}};
}

inline TurnResult Finished(int64_t sequence) {
  TurnResult result;
  result.sequence = sequence;
  result.session_id = kSessionId;
  result.turn = 7;
  result.usage.generated_tokens = 2;
  return result;
}

inline TurnResult Failed(absl::Status status) {
  TurnResult result;
  result.status = std::move(status);
  return result;
}

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SERVER_TURN_EVENTS_H_
