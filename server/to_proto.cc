#include "server/to_proto.h"

#include <algorithm>
#include <type_traits>
#include <variant>

#include "model/check.h"

namespace perennial {
namespace {

// Limits of google.protobuf.Duration and Timestamp.
constexpr int64_t kMaxDurationSeconds = 315'576'000'000;
constexpr int64_t kMinTimestampSeconds = -62'135'596'800;
constexpr int64_t kMaxTimestampSeconds = 253'402'300'799;

v1::FinishReason ToFinishReason(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEndOfTurn:
      return v1::FINISH_REASON_END_OF_TURN;
    case FinishReason::kMaxTokens:
      return v1::FINISH_REASON_MAX_TOKENS;
    case FinishReason::kStop:
      return v1::FINISH_REASON_STOP;
    case FinishReason::kStopToken:
      return v1::FINISH_REASON_STOP_TOKEN;
    case FinishReason::kCancelled:
      return v1::FINISH_REASON_CANCELLED;
    case FinishReason::kRepetition:
      return v1::FINISH_REASON_REPETITION;
    case FinishReason::kTurnBudget:
      return v1::FINISH_REASON_TURN_BUDGET;
    case FinishReason::kSessionBudget:
      return v1::FINISH_REASON_SESSION_BUDGET;
  }
  return v1::FINISH_REASON_UNSPECIFIED;
}

v1::SessionBudget ToBudget(const SessionBudget& budget) {
  v1::SessionBudget message;
  message.set_generated_tokens(budget.generated_tokens);
  *message.mutable_time() = ToProto(budget.time);
  return message;
}

void SetEvent(const TurnState& state, v1::TurnEvent& message) {
  v1::TurnState* event = message.mutable_state();
  event->set_phase(ToProto(state.phase));
  event->set_oldest_sequence(state.oldest_sequence);
  event->set_newest_sequence(state.newest_sequence);
  event->set_generated_tokens(state.generated_tokens);
}

v1::Role ToRole(Role role) {
  switch (role) {
    case Role::kSystem:
      return v1::ROLE_SYSTEM;
    case Role::kUser:
      return v1::ROLE_USER;
    case Role::kAssistant:
      return v1::ROLE_ASSISTANT;
  }
  return v1::ROLE_UNSPECIFIED;
}

void SetEvent(const TurnQueued& queued, v1::TurnEvent& message) {
  message.mutable_queued()->set_position(queued.position);
}

void SetEvent(const TurnStarted& started, v1::TurnEvent& message) {
  v1::Started* event = message.mutable_started();
  event->set_prompt_tokens(started.prompt_tokens);
  *event->mutable_memory() = ToProto(started.memory);
}

template <typename Message>
void SetLogprob(const TurnLogprob& logprob, Message& message) {
  message.set_token(logprob.token);
  message.set_token_bytes(logprob.bytes);
  message.set_logprob(logprob.logprob);
}

void SetEvent(const TurnDelta& delta, v1::TurnEvent& message) {
  message.mutable_delta()->set_text(delta.text);
  message.mutable_delta()->set_tokens(delta.tokens);
  for (const TurnLogprobs& logprobs : delta.logprobs) {
    v1::TokenLogprob* token = message.mutable_delta()->add_logprobs();
    SetLogprob(logprobs.chosen, *token);
    for (const TurnLogprob& top : logprobs.top) SetLogprob(top, *token->add_top());
  }
}

void SetEvent(const TurnWillEvict& will_evict, v1::TurnEvent& message) {
  v1::WillEvict* event = message.mutable_will_evict();
  event->set_in_tokens(will_evict.in_tokens);
  event->set_first_turn(will_evict.first_turn);
  event->set_last_turn(will_evict.last_turn);
}

v1::EvictionReason ToEvictionReason(EvictionReason reason) {
  switch (reason) {
    case EvictionReason::kWindowFull:
      return v1::EVICTION_REASON_WINDOW_FULL;
    case EvictionReason::kUndoneTurn:
      return v1::EVICTION_REASON_UNDONE_TURN;
  }
  return v1::EVICTION_REASON_UNSPECIFIED;
}

void SetEvent(const TurnEvicted& evicted, v1::TurnEvent& message) {
  v1::Evicted* event = message.mutable_evicted();
  event->set_first_token(evicted.first_token);
  event->set_end_token(evicted.end_token);
  event->set_first_turn(evicted.first_turn);
  event->set_last_turn(evicted.last_turn);
  event->set_reason(ToEvictionReason(evicted.reason));
  *event->mutable_memory() = ToProto(evicted.memory);
}

void SetEvent(const TurnHeartbeat& heartbeat, v1::TurnEvent& message) {
  v1::Heartbeat* event = message.mutable_heartbeat();
  event->set_queue_position(heartbeat.queue_position);
  event->set_prompt_tokens_fed(heartbeat.prompt_tokens_fed);
  event->set_prompt_tokens(heartbeat.prompt_tokens);
}

void SetEvent(const TurnGoAway& go_away, v1::TurnEvent& message) {
  *message.mutable_go_away()->mutable_time_left() = ToProto(go_away.time_left);
}

}  // namespace

google::protobuf::Duration ToProto(absl::Duration duration) {
  const absl::Duration most = absl::Seconds(kMaxDurationSeconds);
  absl::Duration rest = std::clamp(duration, -most, most);
  google::protobuf::Duration message;
  message.set_seconds(absl::IDivDuration(rest, absl::Seconds(1), &rest));
  message.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  return message;
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  const absl::Time bounded =
      std::clamp(time, absl::FromUnixSeconds(kMinTimestampSeconds), absl::FromUnixSeconds(kMaxTimestampSeconds));
  google::protobuf::Timestamp message;
  // Floor: the nanoseconds of a timestamp are never negative.
  message.set_seconds(absl::ToUnixSeconds(bounded));
  message.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(bounded - absl::FromUnixSeconds(message.seconds()))));
  return message;
}

v1::SessionState ToProto(SessionState state) {
  switch (state) {
    case SessionState::kIdle:
      return v1::SESSION_STATE_IDLE;
    case SessionState::kWaiting:
      return v1::SESSION_STATE_WAITING;
    case SessionState::kRunning:
      return v1::SESSION_STATE_RUNNING;
  }
  return v1::SESSION_STATE_UNSPECIFIED;
}

v1::TurnPhase ToProto(TurnPhase phase) {
  switch (phase) {
    case TurnPhase::kWaiting:
      return v1::TURN_PHASE_WAITING;
    case TurnPhase::kRunning:
      return v1::TURN_PHASE_RUNNING;
    case TurnPhase::kEnded:
      return v1::TURN_PHASE_ENDED;
  }
  return v1::TURN_PHASE_UNSPECIFIED;
}

v1::EvictionPolicy ToProto(EvictionPolicy eviction) {
  switch (eviction) {
    case EvictionPolicy::kTokenWise:
      return v1::EVICTION_POLICY_TOKEN_WISE;
    case EvictionPolicy::kTurnWise:
      return v1::EVICTION_POLICY_TURN_WISE;
  }
  return v1::EVICTION_POLICY_UNSPECIFIED;
}

v1::Usage ToProto(const TurnUsage& usage) {
  v1::Usage message;
  message.set_prompt_tokens(usage.prompt_tokens);
  message.set_fed_tokens(usage.fed_tokens);
  message.set_generated_tokens(usage.generated_tokens);
  message.set_evicted_tokens(usage.evicted_tokens);
  message.set_readable_prompt_tokens(usage.readable_prompt_tokens);
  message.set_reused_tokens(usage.reused_tokens);
  return message;
}

v1::Notes ToProto(const SessionNotes& notes) {
  v1::Notes message;
  message.set_text(notes.text);
  for (const int64_t turn : notes.pinned_turns) message.add_pinned_turns(turn);
  message.set_tokens(notes.tokens);
  message.set_budget_tokens(notes.budget_tokens);
  return message;
}

v1::OnRepetition ToProto(OnRepetition action) {
  switch (action) {
    case OnRepetition::kIgnore:
      return v1::ON_REPETITION_IGNORE;
    case OnRepetition::kReport:
      return v1::ON_REPETITION_REPORT;
    case OnRepetition::kFinish:
      return v1::ON_REPETITION_FINISH;
  }
  return v1::ON_REPETITION_UNSPECIFIED;
}

v1::SessionMemory ToProto(const SessionMemory& memory) {
  v1::SessionMemory message;
  message.set_stream_tokens(memory.stream_tokens);
  message.set_visible_tokens(memory.visible_tokens);
  message.set_forgotten_tokens(memory.forgotten_tokens);
  message.set_horizon_token(memory.horizon_token);
  message.set_horizon_turn(memory.horizon_turn);
  message.set_sink_tokens(memory.sink_tokens);
  message.set_window_tokens(memory.window_tokens);
  message.set_window_tokens_used(memory.window_tokens_used);
  message.set_note_tokens(memory.note_tokens);
  return message;
}

v1::Session ToProto(const SessionSummary& session) {
  v1::Session message;
  message.set_session_id(session.id);
  message.set_state(ToProto(session.state));
  *message.mutable_create_time() = ToProto(session.created);
  *message.mutable_last_use_time() = ToProto(session.last_used);
  *message.mutable_expire_time() = ToProto(session.expires);
  *message.mutable_idle_timeout() = ToProto(session.idle_timeout);
  message.set_route(session.route);
  for (const auto& [key, value] : session.labels) (*message.mutable_labels())[key] = value;
  message.set_turns(session.turns);
  message.set_last_turn(session.last_turn);
  message.set_cache_bytes(session.cache_bytes);
  message.set_parked(session.parked);
  *message.mutable_memory() = ToProto(session.memory);
  *message.mutable_notes() = ToProto(session.notes);
  message.set_eviction(ToProto(session.eviction));
  *message.mutable_used() = ToBudget(session.used);
  *message.mutable_budget() = ToBudget(session.budget);
  return message;
}

v1::TranscriptTurn ToProto(const TranscriptTurn& turn) {
  v1::TranscriptTurn message;
  message.set_turn(turn.turn);
  for (const Message& said : turn.messages) {
    v1::Message* one = message.add_messages();
    one->set_role(ToRole(said.role));
    one->set_text(said.text);
  }
  message.set_truncated(turn.truncated);
  message.set_forgotten(turn.forgotten);
  return message;
}

v1::Stats ToProto(const EngineStats& stats) {
  v1::Stats message;
  message.set_sessions(stats.sessions);
  message.set_max_sessions(stats.max_sessions);
  message.set_cache_bytes(stats.cache_bytes);
  message.set_cache_memory_bytes(stats.cache_memory_bytes);
  message.set_sessions_created(stats.sessions_created);
  message.set_sessions_expired(stats.sessions_expired);
  message.set_sessions_deleted(stats.sessions_deleted);
  message.set_sessions_failed(stats.sessions_failed);
  message.set_parked_sessions(stats.parked_sessions);
  message.set_parked_bytes(stats.parked_bytes);
  message.set_parked_memory_bytes(stats.parked_memory_bytes);
  message.set_sessions_parked(stats.sessions_parked);
  message.set_sessions_resumed(stats.sessions_resumed);
  message.set_sessions_forked(stats.sessions_forked);
  message.set_sessions_rewound(stats.sessions_rewound);
  message.set_copied_bytes(stats.copied_bytes);
  message.set_waiting_turns(stats.waiting_turns);
  message.set_max_waiting_turns(stats.max_waiting_turns);
  message.set_running_turns(stats.running_turns);
  message.set_paused_turns(stats.paused_turns);
  message.set_turns_started(stats.turns_started);
  message.set_turns_finished(stats.turns_finished);
  message.set_turns_cancelled(stats.turns_cancelled);
  message.set_turns_failed(stats.turns_failed);
  message.set_turns_rejected(stats.turns_rejected);
  message.set_prefill_tokens(stats.prefill_tokens);
  message.set_generated_tokens(stats.generated_tokens);
  message.set_evicted_tokens(stats.evicted_tokens);
  message.set_note_tokens(stats.note_tokens);
  message.set_steps(stats.steps);
  message.set_step_tokens(stats.step_tokens);
  message.set_step_sessions(stats.step_sessions);
  *message.mutable_step_time() = ToProto(stats.step_time);
  *message.mutable_last_step_time() = ToProto(stats.last_step_time);
  *message.mutable_max_step_time() = ToProto(stats.max_step_time);
  *message.mutable_uptime() = ToProto(stats.uptime);
  message.set_draining(stats.draining);
  message.set_detached_turns(stats.detached_turns);
  message.set_kept_turns(stats.kept_turns);
  message.set_replay_bytes(stats.replay_bytes);
  message.set_request_ids(stats.request_ids);
  message.set_turns_rejoined(stats.turns_rejoined);
  return message;
}

v1::Sampling ToProto(const SamplingParams& sampling) {
  v1::Sampling message;
  message.set_temperature(sampling.temperature);
  message.set_top_k(sampling.top_k);
  message.set_top_p(sampling.top_p);
  message.set_min_p(sampling.min_p);
  message.set_repetition_penalty(sampling.repetition_penalty);
  message.set_repetition_window(sampling.repetition_window);
  message.set_typical_p(sampling.typical_p);
  message.set_presence_penalty(sampling.presence_penalty);
  message.set_frequency_penalty(sampling.frequency_penalty);
  return message;
}

v1::TurnEvent ToProto(const TurnEvent& event, const std::string& session_id, int64_t turn) {
  v1::TurnEvent message;
  message.set_session_id(session_id);
  message.set_turn(turn);
  message.set_first_sequence(event.sequence);
  message.set_sequence(event.sequence);
  std::visit([&message](const auto& kind) { SetEvent(kind, message); }, event.event);
  return message;
}

v1::TurnEvent ToFinishedEvent(const TurnResult& result) {
  PERENNIAL_CHECK(result.status.ok());
  v1::TurnEvent message;
  message.set_session_id(result.session_id);
  message.set_turn(result.turn);
  message.set_first_sequence(result.sequence);
  message.set_sequence(result.sequence);
  v1::Finished* finished = message.mutable_finished();
  finished->set_reason(ToFinishReason(result.reason));
  finished->set_stop(result.stop);
  *finished->mutable_usage() = ToProto(result.usage);
  v1::Timing* timing = finished->mutable_timing();
  *timing->mutable_queue() = ToProto(result.timing.queue);
  *timing->mutable_prefill() = ToProto(result.timing.prefill);
  *timing->mutable_first_token() = ToProto(result.timing.first_token);
  *timing->mutable_decode() = ToProto(result.timing.decode);
  *finished->mutable_memory() = ToProto(result.memory);
  if (result.repetition.has_value()) {
    v1::Repetition* repetition = finished->mutable_repetition();
    repetition->set_period_tokens(result.repetition->period_tokens);
    repetition->set_times(result.repetition->times);
    repetition->set_exact(result.repetition->exact);
    repetition->set_after_tokens(result.repetition->after_tokens);
  }
  return message;
}

std::optional<SessionState> FromProto(v1::SessionState state) {
  switch (state) {
    case v1::SESSION_STATE_IDLE:
      return SessionState::kIdle;
    case v1::SESSION_STATE_WAITING:
      return SessionState::kWaiting;
    case v1::SESSION_STATE_RUNNING:
      return SessionState::kRunning;
    default:
      return std::nullopt;
  }
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace perennial
