#include "server/engine/live_session.h"

#include <algorithm>
#include <utility>

namespace perennial {

SessionStream::SessionStream(const SessionSpec& spec)
    : window(spec.shape, spec.eviction),
      unfed(spec.opening),
      stream_tokens(static_cast<int64_t>(unfed.size())),
      recent(std::max(RecentTokens::kMaxTokens, static_cast<size_t>(spec.shape.window_tokens))),
      reported_horizon(spec.shape.sink_tokens),
      noticed_horizon(spec.shape.sink_tokens),
      notes(spec.shape.note_tokens) {}

LiveSession::LiveSession(std::string session_id, SessionSpec spec, std::unique_ptr<KvCache> new_cache,
                         bool is_ephemeral, absl::Time now)
    : SessionStream(spec),
      id(std::move(session_id)),
      route(std::move(spec.route)),
      ephemeral(is_ephemeral),
      created(now),
      first_turn(spec.first_turn),
      idle_timeout(spec.idle_timeout),
      labels(std::move(spec.labels)),
      last_used(now),
      cache(std::move(new_cache)) {}

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
  session.cache_bytes = cache->size_bytes();
  session.memory = Memory();
  session.eviction = window.policy();
  session.notes = notes.Describe();
  return session;
}

}  // namespace perennial
