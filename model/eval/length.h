// One endless stream: does it stay as good, as fast and as small as it was at its beginning? Paper: Figures 5 and 10.

#ifndef PERENNIAL_MODEL_EVAL_LENGTH_H_
#define PERENNIAL_MODEL_EVAL_LENGTH_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/eval/eval_stream.h"
#include "model/eval/report.h"
#include "model/sink_window.h"
#include "model/token.h"

namespace perennial {

struct LengthOptions {
  CacheShape shape;
  int64_t block_tokens = 100'000;  // perplexity is reported for blocks of so many
  // Of the stream's chunks (subject.chunk_tokens each, counted from the text's beginning), every so many are scored:
  // their logits cost more than the rest of a step where the vocabulary is large and the model small. 1: all.
  int64_t score_every = 1;
  // Every so many blocks, the last one among them, is also predicted by a stream of its own whose cache is empty at the
  // block's beginning, from and for the same tokens. 0: none.
  int64_t compare_every = 10;
  // The `decoded_tokens` tokens before each of these points are decoded one by one and timed. Ascending.
  std::vector<int64_t> time_at = {10'000, 100'000, 1'000'000, 4'000'000};
  int64_t decoded_tokens = 1000;
};

// Points that lie past the text are left out. Facts: tokens; seconds of it all; largest_ratio, which is the largest
// perplexity of a block in the stream to that from an empty cache (and smallest_ratio); memory_growth_bytes, the
// resident memory at the end less that after the first block. Tables:
//   "blocks": first_token, last_token, perplexity, perplexity_from_empty and ratio (NaN where not compared),
//             tokens_per_second, resident_bytes, device_bytes (where there is a device)
//   "points": token, milliseconds_per_token (median), milliseconds_mean, milliseconds_ninetieth, resident_bytes,
//             device_bytes
// The last block may be shorter. INVALID_ARGUMENT naming the option; else the runner's errors.
absl::StatusOr<Report> RunLength(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                 const LengthOptions& options);

// Bytes of this process in the machine's memory now; 0 if the system does not say.
int64_t ResidentBytes();

}  // namespace perennial

#endif  // PERENNIAL_MODEL_EVAL_LENGTH_H_
