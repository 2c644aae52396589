// What recent tokens and the client's wishes do to logits, before anything is drawn: the first steps of SamplingParams'
// order.

#ifndef PERENNIAL_MODEL_PENALTIES_H_
#define PERENNIAL_MODEL_PENALTIES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/logit_blocks.h"
#include "model/sampling_params.h"
#include "model/token.h"

namespace perennial {

// Scratch memory of one sampler (2 bytes per vocabulary entry, where a penalty is on); not thread-safe.
class Penalties {
 public:
  // Logit bias, then repetition, presence and frequency penalty, then DRY. `recent`: the stream's newest tokens, oldest
  // first; the last params.repetition_window of them count. `breakers`: tokens that a sequence does not go across and
  // that DRY never makes less likely (what ends a reply). Costs O(repetition_window).
  void Apply(const SamplingParams& params, absl::Span<const TokenId> recent, absl::Span<const TokenId> breakers,
             LogitBlocks& logits);

 private:
  void ApplyCounts(const SamplingParams& params, absl::Span<const TokenId> recent, LogitBlocks& logits);
  void ApplyDry(const DryParams& dry, absl::Span<const TokenId> recent, absl::Span<const TokenId> breakers,
                LogitBlocks& logits);

  // All 0 between calls. [vocab_size]: occurrences of a token; then lengths of the sequences that it would continue.
  std::vector<uint16_t> counts_;
  std::vector<TokenId> counted_;  // those that are not 0
  std::vector<uint16_t> repeats_;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_PENALTIES_H_
