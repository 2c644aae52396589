// Rotary position embedding (RoPE): how fast each pair of a head's dimensions turns, and the angles of a step's tokens.
//
// Plain arithmetic, no torch. Angles come from the 64-bit token index and double frequencies, in double, and only their
// cosine and sine become float32: the error is then independent of the position up to about 10^10 tokens. (Index and
// frequency in float32 are 0.2 off on logits at four million tokens.)

#ifndef PERENNIAL_MODEL_TORCH_ROPE_H_
#define PERENNIAL_MODEL_TORCH_ROPE_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/model_config.h"

namespace perennial {

// Fixed for a model, whatever the length of a stream.
struct RopeFrequencies {
  std::vector<double> radians_per_token;  // [head_size / 2], pair i = dimensions (i, i + head_size / 2)
  double attention_factor = 1.0;          // multiplies cosine and sine of queries and of keys (YaRN; else 1)
};

// Applies the checkpoint's scaling (linear, Llama 3, YaRN) and its frequency divisors to theta^(-2i/d).
// REQUIRES: ValidateModelConfig(config) is OK.
RopeFrequencies ComputeRopeFrequencies(const ModelConfig& config);

// Cosine and sine of `position * frequency`, times the attention factor, for one row per position.
// REQUIRES: cosines.size() == sines.size() == positions.size() * radians_per_token.size(); both are
// [positions, head_size / 2], row-major.
void ComputeRopeAngles(const RopeFrequencies& frequencies, absl::Span<const int64_t> positions,
                       absl::Span<float> cosines, absl::Span<float> sines);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_ROPE_H_
