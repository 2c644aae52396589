#include "server/sampling_request.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/engine/sampling_checks.h"

namespace perennial {
namespace {

// What `dry` stands for where it is set and leaves the multiplier out.
constexpr float kDefaultDryMultiplier = 0.8f;

absl::Status ReadDry(const v1::Sampling& request, DryParams& dry) {
  if (!request.has_dry()) return absl::OkStatus();
  dry = {};
  dry.multiplier = request.dry().has_multiplier() ? request.dry().multiplier() : kDefaultDryMultiplier;
  if (request.dry().has_base()) dry.base = request.dry().base();
  if (request.dry().has_allowed_length()) dry.allowed_length = request.dry().allowed_length();
  if (dry.multiplier == 0.0f) {
    constexpr absl::string_view kUseless = "has no effect where sampling.dry.multiplier is 0";
    if (request.dry().has_base()) return FieldError("sampling.dry.base", kUseless);
    if (request.dry().has_allowed_length()) return FieldError("sampling.dry.allowed_length", kUseless);
  }
  return absl::OkStatus();
}

void ReadParams(const v1::Sampling& request, uint64_t seed, SamplingParams& sampling) {
  if (request.has_temperature()) sampling.temperature = request.temperature();
  if (request.has_top_k()) sampling.top_k = request.top_k();
  if (request.has_top_p()) sampling.top_p = request.top_p();
  if (request.has_min_p()) sampling.min_p = request.min_p();
  if (request.has_typical_p()) sampling.typical_p = request.typical_p();
  if (request.has_repetition_penalty()) sampling.repetition_penalty = request.repetition_penalty();
  if (request.has_repetition_window()) sampling.repetition_window = request.repetition_window();
  if (request.has_presence_penalty()) sampling.presence_penalty = request.presence_penalty();
  if (request.has_frequency_penalty()) sampling.frequency_penalty = request.frequency_penalty();
  sampling.seed = request.has_seed() ? request.seed() : seed;
  for (const auto& [token, bias] : request.logit_bias()) sampling.logit_bias.push_back({token, bias});
  // A protobuf map has no order; the first bad entry should always be the same one.
  std::sort(sampling.logit_bias.begin(), sampling.logit_bias.end(),
            [](const LogitBias& a, const LogitBias& b) { return a.token < b.token; });
}

absl::Status CheckSchema(const v1::Sampling& request, const RequestRules& rules, const TurnSpec& turn) {
  if (request.json_schema().empty()) return absl::OkStatus();
  const int32_t most = rules.options.max_json_schema_bytes;
  if (request.json_schema().size() > static_cast<size_t>(most)) {
    return FieldError("sampling.json_schema", absl::StrCat(request.json_schema().size(), " bytes are more than ", most,
                                                           " (max_json_schema_bytes)"));
  }
  return CheckConstrained(turn);
}

}  // namespace

absl::Status ReadSampling(const v1::Sampling& request, const RequestRules& rules, uint64_t seed, TurnSpec& turn) {
  turn.sampling = rules.sampling;
  // Before the map is copied.
  const int32_t most = rules.options.engine.max_logit_biases;
  if (request.logit_bias().size() > static_cast<size_t>(most)) {
    return FieldError("sampling.logit_bias",
                      absl::StrCat(request.logit_bias().size(), " tokens are more than ", most, " (max_logit_biases)"));
  }
  ReadParams(request, seed, turn.sampling);
  if (absl::Status status = ReadDry(request, turn.sampling.dry); !status.ok()) return status;
  turn.stop_tokens.assign(request.stop_tokens().begin(), request.stop_tokens().end());
  turn.min_tokens = request.min_tokens();
  if (request.has_top_logprobs()) turn.top_logprobs = request.top_logprobs();
  if (absl::Status status = CheckSampling(turn, rules.options.engine, rules.runner); !status.ok()) return status;
  return CheckSchema(request, rules, turn);
}

}  // namespace perennial
