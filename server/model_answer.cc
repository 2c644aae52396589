#include "server/model_answer.h"

#include <algorithm>

#include "server/flags.h"
#include "server/to_proto.h"

namespace perennial {
namespace {

v1::PinnedHead ToPinnedHead(PinnedHead pinned_head) {
  switch (pinned_head) {
    case PinnedHead::kSystemPrompt:
      return v1::PINNED_HEAD_SYSTEM_PROMPT;
    case PinnedHead::kSystemPromptStart:
      return v1::PINNED_HEAD_SYSTEM_PROMPT_START;
    case PinnedHead::kSinksOnly:
      return v1::PINNED_HEAD_SINKS_ONLY;
  }
  return v1::PINNED_HEAD_UNSPECIFIED;
}

v1::Limits MakeLimits(const RequestRules& rules) {
  const ServerOptions& options = rules.options;
  const EngineOptions& engine = options.engine;
  v1::Limits limits;
  limits.set_max_cache_tokens(rules.runner.max_cache_tokens);
  limits.set_cache_memory_bytes(rules.runner.cache_memory_bytes);
  limits.set_cache_bytes_per_token(rules.runner.cache_bytes_per_token);
  limits.set_default_size_sessions(rules.runner.cache_memory_bytes /
                                   std::max<int64_t>(1, rules.runner.cache_bytes_per_token * options.cache_tokens));
  limits.set_max_sessions(engine.max_sessions);
  limits.set_max_waiting_turns(engine.max_waiting_turns);
  limits.set_max_turns_per_session(engine.max_turns_per_session);
  limits.set_max_running_turns(engine.max_running_turns);
  limits.set_max_step_tokens(engine.max_step_tokens);
  limits.set_prefill_chunk_tokens(engine.prefill_chunk_tokens);
  limits.set_max_text_bytes(options.max_text_bytes);
  limits.set_max_opening_tokens(engine.max_opening_tokens);
  limits.set_max_prompt_tokens(engine.max_prompt_tokens);
  limits.set_max_generated_tokens(engine.max_generated_tokens);
  limits.set_max_pinned_tokens(options.max_pinned_tokens);
  limits.set_min_window_tokens(options.min_window_tokens);
  limits.set_max_note_tokens(engine.max_note_tokens);
  limits.set_evict_notice_tokens(engine.evict_notice_tokens);
  limits.set_max_stop_strings(engine.max_stop_strings);
  limits.set_max_stop_string_bytes(engine.max_stop_string_bytes);
  limits.set_max_stop_tokens(engine.max_stop_tokens);
  limits.set_max_logit_biases(engine.max_logit_biases);
  limits.set_max_top_logprobs(engine.max_top_logprobs);
  limits.set_max_json_schema_bytes(options.max_json_schema_bytes);
  limits.set_max_page_size(engine.max_page_size);
  limits.set_max_labels(engine.max_labels);
  limits.set_max_label_bytes(engine.max_label_bytes);
  *limits.mutable_max_idle_timeout() = ToProto(engine.max_idle_timeout);
  *limits.mutable_heartbeat_interval() = ToProto(engine.heartbeat_interval);
  *limits.mutable_slow_reader_timeout() = ToProto(engine.slow_reader_timeout);
  limits.set_max_unread_bytes(options.max_unread_bytes);
  *limits.mutable_max_turn_time() = ToProto(engine.max_turn_time);
  limits.set_max_session_tokens(engine.max_session_tokens);
  limits.set_max_tenants(engine.max_tenants);
  *limits.mutable_detach_timeout() = ToProto(engine.detach_timeout);
  *limits.mutable_request_id_ttl() = ToProto(engine.request_id_ttl);
  limits.set_max_request_ids(engine.max_request_ids);
  limits.set_replay_bytes(engine.replay_bytes);
  limits.set_max_readers_per_turn(engine.max_readers_per_turn);
  limits.set_kept_replay_bytes(engine.kept_replay_bytes);
  limits.set_parked_memory_bytes(engine.parked_memory);
  limits.set_copy_bytes_per_step(engine.copy_bytes_per_step);
  limits.set_transcript_turns(engine.transcript_turns);
  limits.set_transcript_bytes(engine.transcript_bytes);
  return limits;
}

}  // namespace

v1::GetModelResponse MakeModelAnswer(const ModelFacts& model, const RequestRules& rules, int32_t api_revision) {
  v1::GetModelResponse answer;
  answer.set_model(model.name);
  answer.set_architecture(model.architecture);
  answer.set_runner(model.runner);
  answer.set_vocab_size(rules.runner.vocab_size);
  answer.set_trained_tokens(rules.runner.trained_tokens);
  answer.set_server_version(ServerVersion());
  answer.set_api_revision(api_revision);
  v1::Defaults* defaults = answer.mutable_defaults();
  *defaults->mutable_sampling() = ToProto(rules.sampling);
  defaults->set_max_tokens(rules.max_tokens);
  defaults->set_cache_tokens(rules.options.cache_tokens);
  defaults->set_sink_tokens(DefaultShape(rules).sink_tokens);
  defaults->set_eviction(ToProto(rules.eviction));
  defaults->set_pinned_head(ToPinnedHead(rules.pinned_head));
  *defaults->mutable_idle_timeout() = ToProto(rules.options.idle_timeout);
  defaults->set_on_repetition(ToProto(rules.on_repetition));
  *answer.mutable_limits() = MakeLimits(rules);
  return answer;
}

}  // namespace perennial
