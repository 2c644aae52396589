// How well a model predicts a text when each token sees only what its attention keeps: the measure of what sinks are
// worth, and of whether this implementation computes what it should.

#ifndef PERENNIAL_MODEL_EVAL_PERPLEXITY_H_
#define PERENNIAL_MODEL_EVAL_PERPLEXITY_H_

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/model_runner.h"
#include "model/sink_window.h"
#include "model/token.h"

namespace perennial {

enum class EvalAttention {
  kSinks,      // sink-window attention: S sinks and the newest C - S tokens, each key computed once
  kDense,      // everything before: one cache as long as the text
  kRecompute,  // the paper's sliding window with re-computation: for every token, the newest C tokens from scratch
};

// "token_wise", "turn_wise"; INVALID_ARGUMENT for other words.
absl::StatusOr<EvictionPolicy> ParseEvictionPolicy(absl::string_view word);

// "sinks", "dense", "recompute"; INVALID_ARGUMENT for other words.
absl::StatusOr<EvalAttention> ParseEvalAttention(absl::string_view word);

struct PerplexityOptions {
  EvalAttention attention = EvalAttention::kSinks;
  int32_t sink_tokens = 4;                               // S; only for kSinks
  int32_t cache_tokens = 1024;                           // C; not for kDense
  EvictionPolicy eviction = EvictionPolicy::kTokenWise;  // only for kSinks
  int32_t turn_tokens = 256;                             // kTurnWise: a turn begins at every so many tokens of the text
  int32_t chunk_tokens = 128;                            // tokens per step; results do not depend on it beyond rounding

  // Called after every step: tokens predicted so far, and in all. May be empty.
  std::function<void(int64_t done, int64_t total)> progress = nullptr;
};

// Shape of the one cache that the evaluation of `num_tokens` tokens uses. INVALID_ARGUMENT naming the option.
absl::StatusOr<CacheShape> EvalCacheShape(const PerplexityOptions& options, int64_t num_tokens);

struct PerplexityResult {
  int64_t tokens = 0;                   // the text's, of which all but the first are predicted
  double perplexity = 0.0;              // exp of the mean negative log-likelihood of the predicted tokens
  double perplexity_second_half = 0.0;  // the same over the last half of them, where the cache has overflowed
  int64_t cache_bytes = 0;              // the cache's memory
};

// Predicts every token after the first from what the design's section "What a token sees" lets its predecessor see.
// INVALID_ARGUMENT for options, fewer than two tokens, or tokens the model does not have; else the runner's errors.
absl::StatusOr<PerplexityResult> MeasurePerplexity(ModelRunner& runner, absl::Span<const TokenId> tokens,
                                                   const PerplexityOptions& options);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_EVAL_PERPLEXITY_H_
