// One value with everything that can be counted about an engine: read by GetStats, `perennial stats` and the metrics.

#ifndef PERENNIAL_SERVER_ENGINE_ENGINE_STATS_H_
#define PERENNIAL_SERVER_ENGINE_ENGINE_STATS_H_

#include <cstdint>

#include "absl/time/time.h"

namespace perennial {

// Gauges are "now"; counters count from the start. Limits stand beside what they limit.
struct EngineStats {
  // Sessions and cache memory.
  int64_t sessions = 0;
  int64_t max_sessions = 0;
  int64_t cache_bytes = 0;  // in device memory, held by sessions
  int64_t cache_memory_bytes = 0;
  int64_t sessions_created = 0;
  int64_t sessions_expired = 0;
  int64_t sessions_deleted = 0;
  int64_t sessions_failed = 0;  // dropped because the runner failed
  int64_t sessions_forked = 0;
  int64_t sessions_rewound = 0;

  // Sessions whose cache is parked.
  int64_t parked_sessions = 0;
  int64_t parked_bytes = 0;  // room taken, that of moves under way too
  int64_t parked_memory_bytes = 0;
  int64_t sessions_parked = 0;   // how often a cache was parked, …
  int64_t sessions_resumed = 0;  // … and brought back
  int64_t copied_bytes = 0;      // in all moves of caches

  // Turns.
  int64_t waiting_turns = 0;
  int64_t max_waiting_turns = 0;
  int64_t running_turns = 0;
  int64_t paused_turns = 0;  // of the running: the client does not read
  // turns_started = running + finished + failed + the cancelled ones that had been admitted.
  int64_t turns_started = 0;    // admitted
  int64_t turns_finished = 0;   // with an OK status, but for cancelled ones
  int64_t turns_cancelled = 0;  // CancelTurn, interrupt, disconnect, deadline
  int64_t turns_failed = 0;     // admitted, and ended by MODEL_FAILURE, SLOW_READER or SHUTTING_DOWN
  // Never admitted: bad field, no session, queue full, no cache, draining, the session's budget used up.
  int64_t turns_rejected = 0;
  int64_t turns_rejoined = 0;  // submitted again under a known request id: not turns of their own
  int64_t detached_turns = 0;  // wait or run, and nobody follows
  int64_t kept_turns = 0;      // have ended, and can be replayed
  int64_t replay_bytes = 0;    // events kept for replay, of all turns
  int64_t request_ids = 0;     // remembered

  // Tokens.
  int64_t prefill_tokens = 0;    // prompts: unfed and own tokens
  int64_t generated_tokens = 0;  // sampled, end tokens included
  int64_t evicted_tokens = 0;    // left a window
  int64_t note_tokens = 0;       // written into caches as notes

  // Steps.
  int64_t steps = 0;
  int64_t step_tokens = 0;    // sum over steps that did not fail
  int64_t step_sessions = 0;  // sum over steps: mean batch size = step_sessions / steps
  absl::Duration step_time;   // sum over steps
  absl::Duration last_step_time;
  absl::Duration max_step_time;
  absl::Duration uptime;
  bool draining = false;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_ENGINE_STATS_H_
