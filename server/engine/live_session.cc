#include "server/engine/live_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "server/engine/error.h"

namespace perennial {

SessionStream::SessionStream(const SessionSpec& spec, Transcript empty_transcript)
    : window(spec.shape, spec.eviction),
      unfed(spec.opening),
      stream_tokens(static_cast<int64_t>(unfed.size())),
      // After a rewind of a whole window there are still as many as a penalty may look at.
      recent(RecentTokens::kMaxTokens + static_cast<size_t>(spec.shape.window_tokens)),
      reported_horizon(spec.shape.sink_tokens),
      noticed_horizon(spec.shape.sink_tokens),
      notes(spec.shape.note_tokens),
      transcript(std::move(empty_transcript)) {}

absl::StatusOr<int64_t> SessionStream::RewindPoint(int64_t to_turn) const {
  if (turn_starts.newest() <= to_turn) return stream_tokens;
  const std::optional<int64_t> start = turn_starts.StartAfter(to_turn);
  if (start.has_value() && window.CanRewind(*start)) return *start;
  return MakeError(ErrorReason::kBeyondHorizon,
                   absl::StrCat("to_turn: the end of turn ", to_turn, " has left the window; the oldest turn that can ",
                                "be the last one is ", turn_starts.OldestBefore(window.horizon())));
}

bool SessionStream::PartlyForgotten(int64_t turn) const {
  if (window.forgotten_tokens() == 0) return false;
  // [first, end): the turn's tokens. A turn that ends among the sinks is kept for ever.
  const std::optional<int64_t> first = turn_starts.StartAfter(turn - 1);
  const int64_t end = turn_starts.StartAfter(turn).value_or(
      turn_starts.newest() <= turn ? stream_tokens : window.shape().sink_tokens + 1);
  return (!first.has_value() || *first < window.horizon()) && end > window.shape().sink_tokens;
}

void SessionStream::Rewind(int64_t num_tokens, int64_t to_turn) {
  if (num_tokens == stream_tokens) return;
  PERENNIAL_CHECK(num_tokens <= window.num_tokens());
  if (num_tokens < window.shape().sink_tokens) notes.SinksWereTakenBack();
  window.Rewind(num_tokens);
  turn_starts.Rewind(num_tokens);
  recent.Rewind(num_tokens);
  // Everything that closes the last turn's reply was fed before the next turn began.
  unfed = std::vector<TokenId>();
  stream_tokens = num_tokens;
  reported_horizon = std::min(reported_horizon, window.horizon());
  noticed_horizon = std::min(noticed_horizon, window.horizon());
  turns = turn_starts.num_turns();
  transcript.Rewind(to_turn);
}

LiveSession::LiveSession(std::string session_id, SessionSpec spec, Transcript empty_transcript, int64_t reserved,
                         bool is_ephemeral, absl::Time now)
    : SessionStream(spec, std::move(empty_transcript)),
      id(std::move(session_id)),
      route(std::move(spec.route)),
      ephemeral(is_ephemeral),
      created(now),
      first_turn(spec.first_turn),
      reserved_bytes(reserved),
      idle_timeout(spec.idle_timeout),
      labels(std::move(spec.labels)),
      last_used(now),
      budget(spec.budget) {}

SessionMemory LiveSession::Memory() const {
  SessionMemory memory;
  memory.stream_tokens = stream_tokens;
  memory.visible_tokens = window.visible_tokens();
  memory.forgotten_tokens = window.forgotten_tokens();
  memory.horizon_token = window.horizon();
  memory.horizon_turn = turn_starts.TurnOf(window.horizon());
  memory.sink_tokens = window.shape().sink_tokens;
  memory.window_tokens = window.shape().window_tokens;
  memory.window_tokens_used = static_cast<int32_t>(std::max<int64_t>(window.num_tokens() - window.horizon(), 0));
  memory.note_tokens = notes.num_tokens();
  return memory;
}

SessionSummary LiveSession::Describe(absl::Time now) const {
  SessionSummary session;
  session.id = id;
  session.state = leased ? SessionState::kRunning : waiting_turns > 0 ? SessionState::kWaiting : SessionState::kIdle;
  session.created = created;
  session.last_used = last_used;
  session.expires = busy() ? now + idle_timeout : expires;
  session.idle_timeout = idle_timeout;
  session.route = route;
  session.labels = labels;
  session.turns = turns;
  session.last_turn = last_turn;
  session.cache_bytes = reserved_bytes;
  session.parked = parked != nullptr;
  session.memory = Memory();
  session.eviction = window.policy();
  session.notes = notes.Describe();
  session.budget = budget;
  session.used = used;
  return session;
}

}  // namespace perennial
