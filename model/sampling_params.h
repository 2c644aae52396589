// How a turn chooses its tokens: the parameters, their ranges and the order in which they work.

#ifndef PERENNIAL_MODEL_SAMPLING_PARAMS_H_
#define PERENNIAL_MODEL_SAMPLING_PARAMS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "model/token.h"

namespace perennial {

// "Don't repeat yourself" (p-e-w, 2024): a token that would continue a sequence of L recent tokens that has occurred
// before, L >= allowed_length, loses multiplier * base ^ (L - allowed_length) of its logit.
struct DryParams {
  float multiplier = 0.0f;     // 0 … 100; 0: off
  float base = 1.75f;          // 1 … 10
  int32_t allowed_length = 2;  // 1 … 4096 tokens may repeat freely
};

struct LogitBias {
  TokenId token = kNoToken;
  float bias = 0.0f;  // -100 … 100, added to the token's logit; -100: never chosen
};

// The order is fixed: logit bias; repetition, presence and frequency penalty; DRY; the allowed tokens and the banned
// ones; temperature; top-k; typical-p; top-p; min-p; then one draw. Where transformers has the same steps, this is its
// order too, and it is the golden reference.
struct SamplingParams {
  float temperature = 0.7f;         // 0 … 10; 0 is greedy (the highest logit, the lowest id among equals)
  int32_t top_k = 0;                // 0: off; else the k most likely tokens stay
  float top_p = 1.0f;               // (0, 1]; 1: off. The smallest set of most likely tokens with at least this mass
  float min_p = 0.0f;               // [0, 1]; 0: off. Tokens with at least min_p times the highest probability
  float repetition_penalty = 1.0f;  // (0, 10]; 1: off. Logits of recent tokens are divided (> 0) or multiplied (< 0)
  int32_t repetition_window =
      256;                 // 0 … 4096: how many of the stream's newest tokens count as recent, for all penalties
  uint64_t seed = 0;       // the same seed, stream and parameters give the same tokens
  float typical_p = 1.0f;  // (0, 1]; 1: off. The smallest set with at least this mass of the tokens whose
                           // information is nearest to the expected one (Meister et al., 2022)
  float presence_penalty = 0.0f;   // -2 … 2; subtracted from the logit of every recent token (OpenAI's definition)
  float frequency_penalty = 0.0f;  // -2 … 2; subtracted once per recent occurrence (OpenAI's definition)
  DryParams dry;
  std::vector<LogitBias> logit_bias;  // each token at most once; ids outside of the vocabulary are ignored

  // Whether anything depends on the recent tokens.
  bool needs_recent() const {
    return repetition_penalty != 1.0f || presence_penalty != 0.0f || frequency_penalty != 0.0f || dry.multiplier > 0.0f;
  }
};

// INVALID_ARGUMENT with the field's path, a colon, its value and its limit: "sampling.top_p: 2 is not in (0, 1]". NaN
// is out of every range.
absl::Status ValidateSamplingParams(const SamplingParams& params);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_SAMPLING_PARAMS_H_
