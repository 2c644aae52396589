// How well a model predicts a text when each token sees only what its attention keeps: the measure of what sinks are
// worth, and of whether this implementation computes what it should. Paper: Table 1 and Figure 3.

#ifndef PERENNIAL_MODEL_EVAL_PERPLEXITY_H_
#define PERENNIAL_MODEL_EVAL_PERPLEXITY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/eval/eval_stream.h"
#include "model/eval/report.h"
#include "model/sink_window.h"
#include "model/token.h"

namespace perennial {

enum class EvalAttention {
  kSinks,      // sink-window attention: S sinks and the newest C - S tokens, each key computed once
  kWindow,     // the same without sinks: the newest C tokens
  kDense,      // everything before: one cache as long as the text
  kRecompute,  // the paper's sliding window with re-computation: for every token, the newest C tokens from scratch
  kNewlines,   // sink-window attention with S newlines put before the text, so that they are the sinks
};

// "sinks", "window", "dense", "recompute", "newlines"; INVALID_ARGUMENT for other words.
absl::StatusOr<EvalAttention> ParseEvalAttention(absl::string_view word);
absl::string_view EvalAttentionName(EvalAttention attention);

struct PerplexityOptions {
  EvalAttention attention = EvalAttention::kSinks;
  int32_t sink_tokens = 4;      // S; only for kSinks and kNewlines
  int32_t cache_tokens = 1024;  // C; not for kDense
  EvalEviction eviction = {};   // only for kSinks
  // kRecompute: of the tokens past the cache, every so many are predicted: each costs a pass over C tokens.
  int64_t recompute_every = 1;
  std::optional<TokenId> newline = std::nullopt;  // kNewlines: the token of "\n"
};

// Shape of the one cache that the evaluation of `num_tokens` tokens uses. INVALID_ARGUMENT naming the option.
absl::StatusOr<CacheShape> EvalCacheShape(const PerplexityOptions& options, int64_t num_tokens);

struct TextLosses {
  // Of tokens[1], tokens[2], … (newlines put before the text are not among them); NaN: not predicted.
  std::vector<double> losses;
  double seconds = 0.0;
  int64_t cache_bytes = 0;

  double perplexity() const { return Perplexity(losses); }
  // Over the last half, where the cache has overflowed.
  double perplexity_second_half() const { return Perplexity(absl::MakeConstSpan(losses).subspan(losses.size() / 2)); }
};

// Predicts every token after the first from what the design's section "What a token sees" lets its predecessor see.
// INVALID_ARGUMENT for options, fewer than two tokens, or tokens the model does not have; else the runner's errors.
absl::StatusOr<TextLosses> MeasureLosses(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                         const PerplexityOptions& options);

// The mode `perplexity`: one run for each of `runs`, over the same text. Facts: tokens, and of a single run its
// perplexity, perplexity_second_half, tokens_per_second, cache_bytes. Tables: "runs", with perplexity_compared, which
// is over the tokens past every run's cache that every run predicted (NaN: none); and "curve", the perplexity of each
// run by blocks of `block_tokens` tokens (0: fifty blocks).
absl::StatusOr<Report> RunPerplexity(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                     absl::Span<const PerplexityOptions> runs, int64_t block_tokens);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_EVAL_PERPLEXITY_H_
