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

// Fixed for a cache, whatever the length of a stream.
struct RopeFrequencies {
  std::vector<double> radians_per_token;       // [rotary_size / 2], pair i = dimensions (i, i + rotary_size / 2)
  std::vector<double> long_radians_per_token;  // the same for large caches (LongRoPE); else empty
  int64_t largest_short_cache = 0;             // slots; a cache with more is large
  double attention_factor = 1.0;  // multiplies cosine and sine of queries and of keys (YaRN, LongRoPE; else 1)

  // Those for a cache of `cache_slots`.
  const std::vector<double>& For(int64_t cache_slots) const {
    return long_radians_per_token.empty() || cache_slots <= largest_short_cache ? radians_per_token
                                                                                : long_radians_per_token;
  }
};

// Applies the checkpoint's scaling (linear, Llama 3, YaRN, LongRoPE) and its frequency divisors to theta^(-2i/d).
// `rotary_size`: d, how many of a head's dimensions rotate. REQUIRES: they stand in a ModelConfig that is valid.
RopeFrequencies ComputeRopeFrequencies(const Rope& rope, int32_t rotary_size);

// Cosine and sine of `position * frequency` in a cache of `cache_slots`, times the attention factor, for one row per
// position.
// REQUIRES: cosines.size() == sines.size() == positions.size() * radians_per_token.size(); both are
// [positions, rotary_size / 2], row-major.
void ComputeRopeAngles(const RopeFrequencies& frequencies, int64_t cache_slots, absl::Span<const int64_t> positions,
                       absl::Span<float> cosines, absl::Span<float> sines);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_ROPE_H_
