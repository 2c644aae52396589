#include "server/engine/engine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/batching_engine.h"

namespace perennial {
namespace {

absl::Status CheckRange(absl::string_view name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", value, " is not in [", least, ", ", most, "]"));
}

absl::Status CheckPositive(absl::string_view name, absl::Duration value) {
  if (value > absl::ZeroDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", absl::FormatDuration(value), " must be more than 0"));
}

absl::Status CheckNotNegative(absl::string_view name, absl::Duration value) {
  if (value >= absl::ZeroDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", absl::FormatDuration(value), " must not be negative"));
}

}  // namespace

absl::Status ValidateEngineOptions(const EngineOptions& options, const RunnerLimits& runner) {
  constexpr int32_t kMost = 1 << 30;
  for (const absl::Status& status : {
           CheckRange("max_sessions", options.max_sessions, 1, kMost),
           CheckRange("max_waiting_turns", options.max_waiting_turns, 1, kMost),
           CheckRange("max_turns_per_session", options.max_turns_per_session, 1, kMost),
           CheckRange("max_tenants", options.max_tenants, 1, 1 << 20),
           CheckRange("max_running_turns", options.max_running_turns, 1, kMost),
           CheckRange("max_step_tokens", options.max_step_tokens, 1, runner.max_tokens_per_step),
           CheckRange("prefill_chunk_tokens", options.prefill_chunk_tokens, 1, kMost),
           CheckRange("max_opening_tokens", options.max_opening_tokens, 0, kMost),
           CheckRange("max_prompt_tokens", options.max_prompt_tokens, 1, kMost),
           CheckRange("max_generated_tokens", options.max_generated_tokens, 1, int64_t{1} << 62),
           CheckRange("max_note_tokens", options.max_note_tokens, 0, options.max_step_tokens),
           CheckRange("evict_notice_tokens", options.evict_notice_tokens, 0, 1 << 16),
           CheckRange("max_session_tokens", options.max_session_tokens, 0, int64_t{1} << 62),
           CheckNotNegative("max_turn_time", options.max_turn_time),
           CheckRange("max_stop_strings", options.max_stop_strings, 0, kMost),
           CheckRange("max_stop_string_bytes", options.max_stop_string_bytes, 1, kMost),
           CheckRange("max_stop_tokens", options.max_stop_tokens, 0, kMost),
           CheckRange("max_logit_biases", options.max_logit_biases, 0, kMost),
           CheckRange("max_top_logprobs", options.max_top_logprobs, 0, 1000),
           CheckRange("max_page_size", options.max_page_size, 1, kMost),
           CheckRange("max_labels", options.max_labels, 0, kMost),
           CheckRange("max_label_bytes", options.max_label_bytes, 1, kMost),
           CheckRange("parked_memory", options.parked_memory, 0, int64_t{1} << 50),
           CheckRange("copy_bytes_per_step", options.copy_bytes_per_step, 1, int64_t{1} << 40),
           CheckRange("transcript_turns", options.transcript_turns, 0, kMost),
           CheckRange("transcript_bytes", options.transcript_bytes, 1, kMost),
           CheckPositive("max_idle_timeout", options.max_idle_timeout),
           CheckPositive("heartbeat_interval", options.heartbeat_interval),
           CheckPositive("slow_reader_timeout", options.slow_reader_timeout),
           CheckPositive("detach_timeout", options.detach_timeout),
           CheckRange("replay_bytes", options.replay_bytes, 4096, int64_t{1} << 40),
           CheckRange("kept_replay_bytes", options.kept_replay_bytes, 0, int64_t{1} << 50),
           CheckRange("max_readers_per_turn", options.max_readers_per_turn, 1, kMost),
           CheckPositive("request_id_ttl", options.request_id_ttl),
           CheckRange("max_request_ids", options.max_request_ids, 1, kMost),
           CheckPositive("retry_after", options.retry_after),
       }) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const EngineOptions& options, EngineModel model,
                                                       const Clock* clock, std::function<uint64_t()> random_bits) {
  if (absl::Status status = ValidateEngineOptions(options, model.runner->limits()); !status.ok()) return status;
  for (const std::vector<TokenId>* tokens : {&model.end_tokens, &model.reply_end}) {
    for (const TokenId token : *tokens) {
      if (token < 0 || token >= model.runner->limits().vocab_size) {
        return absl::InvalidArgumentError(absl::StrCat("the model's end of reply has token ", token,
                                                       ", its vocabulary has ", model.runner->limits().vocab_size));
      }
    }
  }
  return std::make_unique<BatchingEngine>(options, std::move(model), clock, std::move(random_bits));
}

}  // namespace perennial
