#include "model/model_runner.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace perennial {
namespace {

absl::Status ValidateNotes(const StepInput& input) {
  const int32_t budget = input.cache->shape().note_tokens;
  if (input.tokens.size() > static_cast<size_t>(budget)) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokens has ", input.tokens.size(), " notes, must be at most ", budget));
  }
  if (!input.window_begin.empty()) return absl::InvalidArgumentError("window_begin must be empty for notes");
  if (input.rows != LogitRows::kNone) return absl::InvalidArgumentError("rows must be kNone for notes");
  return absl::OkStatus();
}

absl::Status ValidateStream(const StepInput& input) {
  if (input.tokens.empty()) return absl::InvalidArgumentError("tokens is empty");
  if (input.window_begin.size() != input.tokens.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("window_begin has ", input.window_begin.size(), " values for ", input.tokens.size(), " tokens"));
  }
  const CacheShape& shape = input.cache->shape();
  const int64_t sinks = shape.sink_tokens;
  int64_t previous = sinks;
  int64_t t = input.cache->num_tokens();
  for (const int64_t b : input.window_begin) {
    // Further back than W - 1 tokens the ring's rows belong to newer tokens.
    const int64_t least = std::max(previous, t - shape.window_tokens + 1);
    const int64_t most = std::max(sinks, t);
    if (b < least || b > most) {
      return absl::InvalidArgumentError(
          absl::StrCat("window_begin of token ", t, " is ", b, ", must be ", least, " to ", most));
    }
    previous = b;
    ++t;
  }
  return absl::OkStatus();
}

absl::Status ValidateInput(const StepInput& input, const RunnerLimits& limits) {
  if (input.cache == nullptr) return absl::InvalidArgumentError("cache is null");
  for (const TokenId token : input.tokens) {
    if (token < 0 || token >= limits.vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat("token id is ", token, ", must be 0 to ", limits.vocab_size - 1));
    }
  }
  return input.part == Part::kNotes ? ValidateNotes(input) : ValidateStream(input);
}

}  // namespace

absl::Status ValidateBatch(absl::Span<const StepInput> batch, const RunnerLimits& limits) {
  if (batch.empty()) return absl::InvalidArgumentError("the batch is empty");
  size_t num_tokens = 0;
  std::vector<const KvCache*> caches;
  caches.reserve(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) {
    if (absl::Status status = ValidateInput(batch[i], limits); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("input ", i, ": ", status.message()));
    }
    num_tokens += batch[i].tokens.size();
    caches.push_back(batch[i].cache);
  }
  if (num_tokens > static_cast<size_t>(limits.max_tokens_per_step)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the batch has ", num_tokens, " tokens, must be at most ", limits.max_tokens_per_step));
  }
  std::sort(caches.begin(), caches.end());
  if (std::adjacent_find(caches.begin(), caches.end()) != caches.end()) {
    return absl::InvalidArgumentError("a cache occurs twice in the batch");
  }
  return absl::OkStatus();
}

}  // namespace perennial
