#include "model/sampling_params.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace perennial {
namespace {

// A range whose lower end may be excluded: 0 < top_p.
struct Range {
  float least;
  float most;
  bool least_included = true;
};

absl::Status Check(absl::string_view field, float value, const Range& range) {
  // Written so that NaN fails every test.
  const bool high_enough = range.least_included ? value >= range.least : value > range.least;
  if (high_enough && value <= range.most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("sampling.", field, ": ", value, " is not in ",
                                                 range.least_included ? "[" : "(", range.least, ", ", range.most, "]"));
}

}  // namespace

absl::Status ValidateSamplingParams(const SamplingParams& params) {
  absl::Status status = Check("temperature", params.temperature, {0.0f, 10.0f});
  const auto check = [&status](absl::string_view field, float value, const Range& range) {
    if (status.ok()) status = Check(field, value, range);
  };
  if (status.ok() && params.top_k < 0) {
    status = absl::InvalidArgumentError(absl::StrCat("sampling.top_k: ", params.top_k, " is less than 0"));
  }
  check("top_p", params.top_p, {0.0f, 1.0f, false});
  check("min_p", params.min_p, {0.0f, 1.0f});
  check("repetition_penalty", params.repetition_penalty, {0.0f, 10.0f, false});
  check("repetition_window", static_cast<float>(params.repetition_window), {0.0f, 4096.0f});
  check("typical_p", params.typical_p, {0.0f, 1.0f, false});
  check("presence_penalty", params.presence_penalty, {-2.0f, 2.0f});
  check("frequency_penalty", params.frequency_penalty, {-2.0f, 2.0f});
  check("dry.multiplier", params.dry.multiplier, {0.0f, 100.0f});
  check("dry.base", params.dry.base, {1.0f, 10.0f});
  check("dry.allowed_length", static_cast<float>(params.dry.allowed_length), {1.0f, 4096.0f});
  for (const LogitBias& bias : params.logit_bias) {
    if (!status.ok()) break;
    check(absl::StrCat("logit_bias[", bias.token, "]"), bias.bias, {-100.0f, 100.0f});
  }
  return status;
}

}  // namespace perennial
