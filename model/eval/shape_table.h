// One text under caches of several shapes: what the modes `sinks` (paper: Table 2), `cache-size` (Table 6) and `advise`
// have in common.

#ifndef PERENNIAL_MODEL_EVAL_SHAPE_TABLE_H_
#define PERENNIAL_MODEL_EVAL_SHAPE_TABLE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/eval/eval_stream.h"
#include "model/eval/report.h"
#include "model/sink_window.h"
#include "model/token.h"

namespace perennial {

// Every S with every C, by C first. INVALID_ARGUMENT naming a number that is out of its range, or an empty list.
absl::StatusOr<std::vector<CacheShape>> EvalShapes(absl::Span<const int32_t> sink_tokens,
                                                   absl::Span<const int32_t> cache_tokens);

// Table "caches": a row for each shape with sink_tokens, window_tokens, cache_tokens, cache_bytes, perplexity,
// perplexity_compared (over the tokens past the largest of the caches, so that all predict the same tokens with their
// caches full), perplexity_ratio (compared, to the best of all) and, if `timed_tokens` > 0, milliseconds_per_token: the
// median of so many tokens decoded one by one after the text.
//
// INVALID_ARGUMENT if the text does not overflow the largest cache; else as MeasureLosses.
absl::StatusOr<Report> RunShapes(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                 absl::Span<const CacheShape> shapes, int32_t timed_tokens);

// The mode `advise`: RunShapes, and what it recommends. Of the caches whose compared perplexity is at most `tolerance`
// (0.01: one per cent) above the best one, the smallest, and of its numbers of sinks the smallest; a larger cache is
// not always better (Table 6 of the paper is not monotone). Facts: recommended_sink_tokens, recommended_cache_tokens.
absl::StatusOr<Report> RunAdvise(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                 absl::Span<const CacheShape> shapes, int32_t timed_tokens, double tolerance);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_EVAL_SHAPE_TABLE_H_
