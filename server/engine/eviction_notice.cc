#include "server/engine/eviction_notice.h"

#include <algorithm>
#include <vector>

namespace perennial {
namespace {

// Of the stream's tokens before `end`, the boundary that is passed next and that nobody was told of; none if there is
// none, or if a horizon that goes to `horizon` does not pass it.
std::optional<int64_t> NextBoundary(const SinkWindow& window, const TurnStarts& starts, int64_t noticed_horizon,
                                    int64_t end, int64_t horizon) {
  const int64_t from = std::max(window.horizon(), noticed_horizon);
  // Where nothing is forgotten yet, the first windowed token is one, of the opening or of a turn.
  const std::optional<int64_t> boundary = from == window.shape().sink_tokens ? from : starts.StartFrom(from);
  if (!boundary.has_value() || *boundary >= std::min(end, horizon)) return std::nullopt;
  return boundary;
}

TurnWillEvict Notice(const TurnStarts& starts, int64_t boundary, int64_t horizon, int64_t in_tokens) {
  return {.in_tokens = in_tokens, .first_turn = starts.TurnOf(boundary), .last_turn = starts.TurnOf(horizon - 1)};
}

}  // namespace

std::optional<TurnWillEvict> NoticeEviction(const SinkWindow& window, const TurnStarts& starts, int64_t notice_tokens,
                                            int64_t& noticed_horizon) {
  const int64_t horizon = window.HorizonAfter(notice_tokens);
  if (horizon <= noticed_horizon || horizon == window.horizon()) return std::nullopt;
  const std::optional<int64_t> boundary = NextBoundary(window, starts, noticed_horizon, window.num_tokens(), horizon);
  if (!boundary.has_value()) return std::nullopt;
  // The horizon never decreases: the fewest tokens that take it past the boundary are found by halving.
  int64_t least = 1;
  int64_t most = notice_tokens;
  while (least < most) {
    const int64_t middle = least + (most - least) / 2;
    if (window.HorizonAfter(middle) > *boundary) {
      most = middle;
    } else {
      least = middle + 1;
    }
  }
  // Beyond the newest token turns may begin of which nobody was told.
  noticed_horizon = std::min(horizon, window.num_tokens());
  return Notice(starts, *boundary, noticed_horizon, least);
}

std::optional<TurnWillEvict> NoticeEviction(const SinkWindow& window, const TurnStarts& starts,
                                            const PromptAhead& prompt, int64_t notice_tokens,
                                            int64_t& noticed_horizon) {
  SinkWindow ahead = window;
  std::vector<int64_t> horizons = ahead.Advance(prompt.unfed_tokens);
  TurnStarts starts_ahead = starts;
  starts_ahead.Add(prompt.turn, ahead.num_tokens());
  ahead.BeginTurn();
  const int64_t rest = std::max(prompt.own_tokens, notice_tokens - prompt.unfed_tokens);
  const std::vector<int64_t> own = ahead.Advance(rest);
  horizons.insert(horizons.end(), own.begin(), own.end());
  const int64_t end = window.num_tokens() + prompt.unfed_tokens + prompt.own_tokens;
  const std::optional<int64_t> boundary = NextBoundary(window, starts_ahead, noticed_horizon, end, ahead.horizon());
  if (!boundary.has_value()) return std::nullopt;
  const auto passed = std::upper_bound(horizons.begin(), horizons.end(), *boundary);
  noticed_horizon = std::min(ahead.horizon(), end);
  return Notice(starts_ahead, *boundary, noticed_horizon, passed - horizons.begin() + 1);
}

}  // namespace perennial
