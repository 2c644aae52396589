// What requests are checked against and filled up from: limits and defaults, put together once at the start.

#ifndef PERENNIAL_SERVER_REQUEST_RULES_H_
#define PERENNIAL_SERVER_REQUEST_RULES_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/checkpoint.h"
#include "model/model_runner.h"
#include "model/sampler.h"
#include "model/sink_window.h"
#include "server/engine/turn.h"
#include "server/options.h"

namespace perennial {

// What of a session's opening is pinned as sinks.
enum class PinnedHead {
  kSystemPrompt,       // BOS and the system prompt, and at least sink_tokens
  kSystemPromptStart,  // the same, but of a system prompt that is too long only the first tokens
  kSinksOnly,          // sink_tokens
};

// Immutable; thread-safe.
struct RequestRules {
  ServerOptions options;
  RunnerLimits runner;
  // What unset fields of a turn stand for. A request's field beats the checkpoint's generation_config.json, which beats
  // the server's flag. Length of a reply: at most max_generated_tokens.
  SamplingParams sampling;
  int64_t max_tokens = 0;
  // What unset fields of a session stand for.
  int32_t sink_tokens = 0;  // as far as the session's cache_tokens allow
  PinnedHead pinned_head = PinnedHead::kSystemPrompt;
  EvictionPolicy eviction = EvictionPolicy::kTurnWise;
  OnRepetition on_repetition = OnRepetition::kReport;  // the server's flag
};

// `default_sink_tokens` (DefaultSinkTokens) counts where options.sink_tokens is unset.
// `generation.do_sample` false means greedy: temperature 0. A checkpoint's value that is out of range is ignored, as if
// it were not there: the model's own file must not make every request fail.
RequestRules MakeRequestRules(const ServerOptions& options, const RunnerLimits& runner,
                              const GenerationDefaults& generation, int32_t default_sink_tokens);

// The cache of a session that asks for nothing, as if nothing but the sinks were pinned.
CacheShape DefaultShape(const RequestRules& rules);

// INVALID_FIELD: "FIELD: COMPLAINT".
absl::Status FieldError(absl::string_view field, absl::string_view complaint);

// `status`, which names no field, as INVALID_FIELD of `field` if it is INVALID_ARGUMENT; else as it is.
absl::Status InField(absl::string_view field, const absl::Status& status);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_REQUEST_RULES_H_
