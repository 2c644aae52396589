// Tells beforehand when the horizon will pass a turn boundary, so that a client can write down in time what must not be
// forgotten.
//
// A boundary is the first token of a turn, or of what stands before the first one; it is passed when the horizon goes
// beyond it: its turn begins to be forgotten. Each is told once.

#ifndef PERENNIAL_SERVER_ENGINE_EVICTION_NOTICE_H_
#define PERENNIAL_SERVER_ENGINE_EVICTION_NOTICE_H_

#include <cstdint>
#include <optional>

#include "model/sink_window.h"
#include "server/engine/turn.h"
#include "server/engine/turn_starts.h"

namespace perennial {

// What a turn is about to feed.
struct PromptAhead {
  int64_t unfed_tokens = 0;  // what closes the turn before; the turn starts after them
  int64_t own_tokens = 0;
  int64_t turn = 0;  // its number
};

// A boundary that the horizon passes within `notice_tokens` more tokens, if no turn begins meanwhile. `noticed_horizon`
// is where the last notice saw the horizon go (S before the first); a notice moves it on. Cheap: asked at every token.
std::optional<TurnWillEvict> NoticeEviction(const SinkWindow& window, const TurnStarts& starts, int64_t notice_tokens,
                                            int64_t& noticed_horizon);

// The same before a prompt is fed: looks to its end, but at least `notice_tokens` ahead. Costs a step per token.
std::optional<TurnWillEvict> NoticeEviction(const SinkWindow& window, const TurnStarts& starts,
                                            const PromptAhead& prompt, int64_t notice_tokens, int64_t& noticed_horizon);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_EVICTION_NOTICE_H_
