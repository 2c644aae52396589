#include "server/engine/sampling_checks.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/engine/error.h"

namespace perennial {
namespace {

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return MakeError(ErrorReason::kInvalidField, absl::StrCat(parts...));
}

absl::Status CheckCount(absl::string_view field, size_t count, int32_t most, absl::string_view limit) {
  if (count <= static_cast<size_t>(most)) return absl::OkStatus();
  return Invalid(field, ": has ", count, ", must have at most ", most, " (", limit, ")");
}

absl::Status CheckToken(absl::string_view field, TokenId token, const RunnerLimits& runner) {
  if (token >= 0 && token < runner.vocab_size) return absl::OkStatus();
  return Invalid(field, ": token ", token, " is not in [0, ", runner.vocab_size, ")");
}

absl::Status CheckStopTokens(const TurnSpec& spec, const EngineOptions& options, const RunnerLimits& runner) {
  absl::Status status =
      CheckCount("sampling.stop_tokens", spec.stop_tokens.size(), options.max_stop_tokens, "max_stop_tokens");
  for (size_t i = 0; i < spec.stop_tokens.size() && status.ok(); ++i) {
    status = CheckToken(absl::StrCat("sampling.stop_tokens[", i, "]"), spec.stop_tokens[i], runner);
  }
  return status;
}

absl::Status CheckLogitBias(const TurnSpec& spec, const EngineOptions& options, const RunnerLimits& runner) {
  const std::vector<LogitBias>& biases = spec.sampling.logit_bias;
  absl::Status status = CheckCount("sampling.logit_bias", biases.size(), options.max_logit_biases, "max_logit_biases");
  for (size_t i = 0; i < biases.size() && status.ok(); ++i) {
    status = CheckToken("sampling.logit_bias", biases[i].token, runner);
  }
  return status;
}

absl::Status CheckMinTokens(const TurnSpec& spec, const EngineOptions& options) {
  const int64_t most = spec.max_tokens > 0 ? spec.max_tokens : options.max_generated_tokens;
  if (spec.min_tokens >= 0 && spec.min_tokens <= most) return absl::OkStatus();
  return Invalid("sampling.min_tokens: ", spec.min_tokens, " is not in [0, ", most, "] (",
                 spec.max_tokens > 0 ? "max_tokens" : "max_generated_tokens", ")");
}

absl::Status CheckTopLogprobs(const TurnSpec& spec, const EngineOptions& options) {
  if (!spec.top_logprobs.has_value()) return absl::OkStatus();
  if (*spec.top_logprobs >= 0 && *spec.top_logprobs <= options.max_top_logprobs) return absl::OkStatus();
  return Invalid("sampling.top_logprobs: ", *spec.top_logprobs, " is not in [0, ", options.max_top_logprobs,
                 "] (max_top_logprobs)");
}

}  // namespace

absl::Status CheckSampling(const TurnSpec& spec, const EngineOptions& options, const RunnerLimits& runner) {
  if (absl::Status status = ValidateSamplingParams(spec.sampling); !status.ok()) return Invalid(status.message());
  if (absl::Status status = CheckStopTokens(spec, options, runner); !status.ok()) return status;
  if (absl::Status status = CheckLogitBias(spec, options, runner); !status.ok()) return status;
  if (absl::Status status = CheckMinTokens(spec, options); !status.ok()) return status;
  if (absl::Status status = CheckTopLogprobs(spec, options); !status.ok()) return status;
  return spec.constraint == nullptr ? absl::OkStatus() : CheckConstrained(spec);
}

// A reply that may end only where it satisfies its schema cannot be told to end elsewhere, or nowhere.
absl::Status CheckConstrained(const TurnSpec& spec) {
  if (spec.ignore_end_of_turn) return Invalid("sampling.json_schema: does not go with ignore_end_of_turn");
  if (!spec.stop_strings.empty()) return Invalid("sampling.json_schema: does not go with stop");
  if (!spec.stop_tokens.empty()) return Invalid("sampling.json_schema: does not go with sampling.stop_tokens");
  if (spec.min_tokens > 0) return Invalid("sampling.json_schema: does not go with sampling.min_tokens");
  // What the schema demands could be forbidden, and nothing would be left to sample.
  for (const LogitBias& bias : spec.sampling.logit_bias) {
    if (bias.bias <= -100.0f) return Invalid("sampling.json_schema: does not go with a sampling.logit_bias of -100");
  }
  return absl::OkStatus();
}

}  // namespace perennial
