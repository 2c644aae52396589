// Half-precision numbers as they lie in files, to float32. Every float16 and bfloat16 value is exactly a float32.

#ifndef PERENNIAL_MODEL_CHECKPOINT_HALF_H_
#define PERENNIAL_MODEL_CHECKPOINT_HALF_H_

#include <bit>
#include <cstdint>

namespace perennial {

// IEEE 754 binary16. Written with selections instead of branches so that loops over it become vector code, and without
// arithmetic on float32 subnormals, so that a thread that flushes them to zero gets the same values.
inline float FloatFromF16(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(half & 0x7FFFu) << 13;  // exponent and fraction, in float32's places
  const uint32_t normal = magnitude + (112u << 23);                        // exponent bias 15 → 127
  const uint32_t infinite = magnitude + (224u << 23);                      // exponent 31 → 255
  // Subnormal: put the fraction under a leading one and subtract that one again.
  const float shifted = std::bit_cast<float>(magnitude + (113u << 23)) - std::bit_cast<float>(113u << 23);
  uint32_t bits = normal;
  bits = half & 0x7C00u ? bits : std::bit_cast<uint32_t>(shifted);
  bits = (half & 0x7C00u) == 0x7C00u ? infinite : bits;
  return std::bit_cast<float>(bits | sign);
}

// The upper half of a float32.
inline float FloatFromBF16(uint16_t half) { return std::bit_cast<float>(static_cast<uint32_t>(half) << 16); }

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_HALF_H_
