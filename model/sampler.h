// From a row of logits to the next token.

#ifndef PERENNIAL_MODEL_SAMPLER_H_
#define PERENNIAL_MODEL_SAMPLER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/token.h"

namespace perennial {

// How a turn samples. The order is fixed: repetition penalty, temperature, top-k, top-p, min-p, then one draw; that is
// the order of transformers' logits processors, which is also the golden reference.
struct SamplingParams {
  float temperature = 0.7f;         // 0 … 10; 0 is greedy (the highest logit, the lowest id among equals)
  int32_t top_k = 0;                // 0: off; else the k most likely tokens stay
  float top_p = 1.0f;               // (0, 1]; 1: off. The smallest set of most likely tokens with at least this mass
  float min_p = 0.0f;               // [0, 1]; 0: off. Tokens with at least min_p times the highest probability
  float repetition_penalty = 1.0f;  // (0, 10]; 1: off. Logits of recent tokens are divided (> 0) or multiplied (< 0)
  int32_t repetition_window = 256;  // 0 … 4096: how many of the stream's newest tokens count as recent
  uint64_t seed = 0;                // the same seed, stream and parameters give the same tokens
};

// INVALID_ARGUMENT naming the field ("sampling.top_p"), its value and its limit. NaN is out of every range.
absl::Status ValidateSamplingParams(const SamplingParams& params);

// One turn's sampler. Holds its random state and scratch memory; not thread-safe.
class Sampler {
 public:
  // REQUIRES: ValidateSamplingParams(params) is OK.
  explicit Sampler(const SamplingParams& params);

  // Picks the next token. `logits`: [vocab_size], -inf allowed; NaN counts as -inf. `recent`: the stream's newest tokens,
  // oldest first; the last repetition_window of them count. `banned`: tokens that must not be picked (end tokens with
  // ignore_end_of_turn). Returns kNoToken if nothing can be picked (all logits are -inf or banned): a broken model.
  TokenId Sample(absl::Span<const float> logits, absl::Span<const TokenId> recent,
                 absl::Span<const TokenId> banned = {});

 private:
  struct Candidate {
    float logit;
    TokenId token;
  };

  const SamplingParams params_;
  uint64_t random_state_;
  std::vector<float> logits_;          // [vocab_size] scratch
  std::vector<Candidate> candidates_;  // scratch
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_SAMPLER_H_
