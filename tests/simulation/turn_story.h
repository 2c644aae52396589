// One turn as its clients know it: what was asked, and what any of its readers was told.

#ifndef PERENNIAL_TESTS_SIMULATION_TURN_STORY_H_
#define PERENNIAL_TESTS_SIMULATION_TURN_STORY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/time/time.h"
#include "server/engine/turn.h"

namespace perennial {

struct KnownSession;
struct TurnStory;

// A request for a turn, submitted once or more often.
struct TurnRequest {
  TurnSpec spec;
  std::shared_ptr<KnownSession> session;
  // The turns that it became. More than one only where all earlier ones left no trace.
  std::vector<std::shared_ptr<TurnStory>> stories;
  absl::Time submitted;   // first
  int64_t followers = 0;  // all that it ever had
  int64_t following = 0;  // now
  bool over() const;      // its end is known
};

// A turn that was admitted. Its readers must all be told the same, number by number.
struct TurnStory {
  std::shared_ptr<TurnRequest> request;
  std::string session_id;
  int64_t turn = 0;
  std::vector<std::optional<TurnEvent>> events;  // by sequence - 1
  std::optional<TurnResult> end;
  absl::Time ended;  // at this time, or later
  int64_t prompt_tokens = 0;
  std::optional<absl::uint128> fingerprint;  // of the request, once somebody who submitted it knows the turn

  // A reader was told this event (no heartbeat or state). A test failure if another one was told something else.
  void Tell(const TurnEvent& event);
  // A reader was told that this is the turn's end. True if it is the first.
  bool TellEnd(const TurnResult& result);

  // True if every event was seen by somebody.
  bool complete() const;
  // Whoever asks for the same may be given another turn: this one was undone.
  bool left_no_trace() const { return end.has_value() && !end->status.ok() && end->usage.generated_tokens == 0; }
  // All text that is known, in order.
  std::string text() const;
  // The first event that nobody has seen.
  int64_t first_unseen() const;
};

inline bool TurnRequest::over() const { return !stories.empty() && stories.back()->end.has_value(); }

// True if nothing cut the reply short.
bool EndedByItself(const TurnResult& result);

// For comparison and for messages.
std::string ToText(const TurnEvent& event);
std::string ToText(const TurnResult& result);

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SIMULATION_TURN_STORY_H_
