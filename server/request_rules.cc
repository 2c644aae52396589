#include "server/request_rules.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "server/engine/error.h"

namespace perennial {
namespace {

// Sets `field` of `sampling` to the checkpoint's `value` unless that makes it invalid.
template <typename T>
void Override(SamplingParams& sampling, T SamplingParams::*field, const std::optional<T>& value) {
  if (!value.has_value()) return;
  SamplingParams changed = sampling;
  changed.*field = *value;
  if (ValidateSamplingParams(changed).ok()) sampling = changed;
}

}  // namespace

RequestRules MakeRequestRules(const ServerOptions& options, const RunnerLimits& runner,
                              const GenerationDefaults& generation, int32_t default_sink_tokens) {
  RequestRules rules;
  rules.options = options;
  rules.runner = runner;
  rules.sampling = options.sampling;
  Override(rules.sampling, &SamplingParams::temperature, generation.temperature);
  Override(rules.sampling, &SamplingParams::top_k, generation.top_k);
  Override(rules.sampling, &SamplingParams::top_p, generation.top_p);
  Override(rules.sampling, &SamplingParams::min_p, generation.min_p);
  Override(rules.sampling, &SamplingParams::repetition_penalty, generation.repetition_penalty);
  if (generation.do_sample.has_value() && !*generation.do_sample) rules.sampling.temperature = 0;
  rules.sink_tokens = options.sink_tokens.value_or(default_sink_tokens);
  rules.pinned_head = options.pinned_head == "sinks_only"            ? PinnedHead::kSinksOnly
                      : options.pinned_head == "system_prompt_start" ? PinnedHead::kSystemPromptStart
                                                                     : PinnedHead::kSystemPrompt;
  rules.eviction = options.eviction == "token_wise" ? EvictionPolicy::kTokenWise : EvictionPolicy::kTurnWise;
  rules.max_tokens = options.max_tokens;
  if (generation.max_new_tokens.value_or(0) > 0) rules.max_tokens = *generation.max_new_tokens;
  rules.max_tokens = std::min(rules.max_tokens, options.engine.max_generated_tokens);
  rules.on_repetition = options.on_repetition == "ignore"   ? OnRepetition::kIgnore
                        : options.on_repetition == "finish" ? OnRepetition::kFinish
                                                            : OnRepetition::kReport;
  return rules;
}

CacheShape DefaultShape(const RequestRules& rules) {
  const int32_t sink_tokens = std::min(rules.sink_tokens, rules.options.cache_tokens - 1);
  return {.sink_tokens = sink_tokens, .note_tokens = 0, .window_tokens = rules.options.cache_tokens - sink_tokens};
}

absl::Status FieldError(absl::string_view field, absl::string_view complaint) {
  return MakeError(ErrorReason::kInvalidField, absl::StrCat(field, ": ", complaint));
}

absl::Status InField(absl::string_view field, const absl::Status& status) {
  return absl::IsInvalidArgument(status) ? FieldError(field, status.message()) : status;
}

}  // namespace perennial
