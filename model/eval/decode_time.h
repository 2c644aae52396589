// How long a token takes to decode: measured as a reply is decoded, one token a step, its logits brought to the host
// and the likeliest one found. The tokens fed are the text's own, so that a stream that is timed stays the text.

#ifndef PERENNIAL_MODEL_EVAL_DECODE_TIME_H_
#define PERENNIAL_MODEL_EVAL_DECODE_TIME_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/eval/eval_stream.h"
#include "model/eval/report.h"
#include "model/token.h"

namespace perennial {

inline constexpr double kMedian = 0.5;
inline constexpr double kNinetieth = 0.9;

// The value that a share of `values`, 0 … 1, does not exceed: the nearest rank. NaN if there are none.
double Quantile(std::vector<double> values, double share);

// Seconds that each of `tokens` took. If `losses` is not null, `next[i]`, which follows tokens[i], is scored as well,
// outside the time. REQUIRES then: equal sizes.
absl::StatusOr<std::vector<double>> TimeDecoding(const EvalSubject& subject, EvalStream& stream,
                                                 absl::Span<const TokenId> tokens, absl::Span<const TokenId> next = {},
                                                 std::vector<double>* losses = nullptr);

struct SpeedOptions {
  std::vector<int32_t> cache_tokens = {256, 512, 1024, 2048, 4096};
  int32_t sink_tokens = 4;
  int32_t decoded_tokens = 50;    // with sinks and window, for each cache
  int32_t recomputed_tokens = 5;  // with re-computation: each is a pass over the whole cache
  // Tokens of a step of re-computation: each is tried, the fastest counts. At most subject.chunk_tokens.
  std::vector<int32_t> recompute_chunks = {512, 4096};
};

// The mode `speed`, Figure 10 of the paper: a decoded token with sinks and window against one of a sliding window with
// re-computation, whose cache is filled anew for every token. Caches are full when the time is taken. Table "caches":
// cache_tokens, milliseconds_streaming, milliseconds_recompute (medians), recompute_chunk (the fastest), speedup.
// INVALID_ARGUMENT naming the option, or if `tokens` are too few: the largest cache's, and the more of
// decoded_tokens and recomputed_tokens.
absl::StatusOr<Report> RunSpeed(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                const SpeedOptions& options);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_EVAL_DECODE_TIME_H_
