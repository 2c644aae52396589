// Element types to float32. Each value is computed with the same float32 operations, in the same order, as GGML's own
// reference and gguf-py, so that results are bit-equal to theirs: this file must be compiled without contraction to
// fused multiply-adds (model/checkpoint/CMakeLists.txt).
//
// Block layouts (all little-endian; d, m, dmin are float16). Element i of a 32-block with 4-bit values is the low
// nibble of byte i for i < 16, else the high nibble of byte i - 16.
//   Q8_0  d | int8[32]                       d·q
//   Q4_0  d | nibbles[16]                    d·(q - 8)
//   Q4_1  d m | nibbles[16]                  d·q + m
//   Q5_0  d | fifth bits[4] | nibbles[16]    d·(q - 16)
//   Q5_1  d m | fifth bits[4] | nibbles[16]  d·q + m
//   Q4_K  d dmin | scales[12] | nibbles[128]                   eight groups of 32: (d·scale)·q - dmin·min
//   Q5_K  d dmin | scales[12] | fifth bits[32] | nibbles[128]  the same
//   Q6_K  low nibbles[128] | high bit pairs[64] | int8 scales[16] | d   sixteen groups of 16: (d·scale)·(q - 32)

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "model/check.h"
#include "model/checkpoint/byte_cursor.h"
#include "model/checkpoint/half.h"
#include "model/checkpoint/tensor.h"

namespace perennial {
namespace {

float LoadF16(const uint8_t* bytes) { return FloatFromF16(LoadUnaligned<uint16_t>(bytes)); }

void BlockQ8_0(const uint8_t* __restrict block, float* __restrict values) {
  const float d = LoadF16(block);
  const uint8_t* const q = block + 2;
  for (int i = 0; i < 32; ++i) values[i] = static_cast<float>(static_cast<int8_t>(q[i])) * d;
}

void BlockQ4_0(const uint8_t* __restrict block, float* __restrict values) {
  const float d = LoadF16(block);
  const uint8_t* const q = block + 2;
  for (int i = 0; i < 16; ++i) {
    values[i] = d * static_cast<float>(static_cast<int32_t>(q[i] & 0x0F) - 8);
    values[i + 16] = d * static_cast<float>(static_cast<int32_t>(q[i] >> 4) - 8);
  }
}

void BlockQ4_1(const uint8_t* __restrict block, float* __restrict values) {
  const float d = LoadF16(block);
  const float m = LoadF16(block + 2);
  const uint8_t* const q = block + 4;
  for (int i = 0; i < 16; ++i) {
    values[i] = d * static_cast<float>(static_cast<int32_t>(q[i] & 0x0F)) + m;
    values[i + 16] = d * static_cast<float>(static_cast<int32_t>(q[i] >> 4)) + m;
  }
}

void BlockQ5_0(const uint8_t* __restrict block, float* __restrict values) {
  const float d = LoadF16(block);
  const uint32_t fifth = LoadUnaligned<uint32_t>(block + 2);
  const uint8_t* const q = block + 6;
  for (int i = 0; i < 16; ++i) {
    const uint32_t low = (q[i] & 0x0Fu) | (((fifth >> i) & 1u) << 4);
    const uint32_t high = (q[i] >> 4) | (((fifth >> (i + 16)) & 1u) << 4);
    values[i] = d * static_cast<float>(static_cast<int32_t>(low) - 16);
    values[i + 16] = d * static_cast<float>(static_cast<int32_t>(high) - 16);
  }
}

void BlockQ5_1(const uint8_t* __restrict block, float* __restrict values) {
  const float d = LoadF16(block);
  const float m = LoadF16(block + 2);
  const uint32_t fifth = LoadUnaligned<uint32_t>(block + 4);
  const uint8_t* const q = block + 8;
  for (int i = 0; i < 16; ++i) {
    const uint32_t low = (q[i] & 0x0Fu) | (((fifth >> i) & 1u) << 4);
    const uint32_t high = (q[i] >> 4) | (((fifth >> (i + 16)) & 1u) << 4);
    values[i] = d * static_cast<float>(static_cast<int32_t>(low)) + m;
    values[i + 16] = d * static_cast<float>(static_cast<int32_t>(high)) + m;
  }
}

// The six-bit scale and minimum of group `group` (0 … 7), packed in 12 bytes.
struct GroupScale {
  float scale;
  float min;
};
GroupScale UnpackGroupScale(const uint8_t* packed, int group) {
  if (group < 4) {
    return {static_cast<float>(packed[group] & 0x3F), static_cast<float>(packed[group + 4] & 0x3F)};
  }
  return {static_cast<float>((packed[group + 4] & 0x0F) | ((packed[group - 4] >> 2) & 0x30)),
          static_cast<float>((packed[group + 4] >> 4) | ((packed[group] >> 2) & 0x30))};
}

void BlockQ4_K(const uint8_t* __restrict block, float* __restrict values) {
  const float d = LoadF16(block);
  const float dmin = LoadF16(block + 2);
  const uint8_t* const q = block + 16;
  for (int group = 0; group < 8; ++group) {
    const GroupScale packed = UnpackGroupScale(block + 4, group);
    const float scale = d * packed.scale;
    const float min = dmin * packed.min;
    const uint8_t* const nibbles = q + 32 * (group / 2);  // two groups share 32 bytes
    const int shift = 4 * (group % 2);
    for (int i = 0; i < 32; ++i) {
      values[32 * group + i] = scale * static_cast<float>(static_cast<int32_t>((nibbles[i] >> shift) & 0x0F)) - min;
    }
  }
}

void BlockQ5_K(const uint8_t* __restrict block, float* __restrict values) {
  const float d = LoadF16(block);
  const float dmin = LoadF16(block + 2);
  const uint8_t* const fifth = block + 16;
  const uint8_t* const q = block + 48;
  for (int group = 0; group < 8; ++group) {
    const GroupScale packed = UnpackGroupScale(block + 4, group);
    const float scale = d * packed.scale;
    const float min = dmin * packed.min;
    const uint8_t* const nibbles = q + 32 * (group / 2);
    const int shift = 4 * (group % 2);
    for (int i = 0; i < 32; ++i) {
      const int32_t value = ((nibbles[i] >> shift) & 0x0F) | (((fifth[i] >> group) & 1) << 4);
      values[32 * group + i] = scale * static_cast<float>(value) - min;
    }
  }
}

void BlockQ6_K(const uint8_t* __restrict block, float* __restrict values) {
  const uint8_t* const low = block;
  const uint8_t* const high = block + 128;
  const uint8_t* const scales = block + 192;
  const float d = LoadF16(block + 208);
  for (int group = 0; group < 16; ++group) {
    const float scale = d * static_cast<float>(static_cast<int8_t>(scales[group]));
    // Elements come in runs of 128: 64 low bytes (low nibbles, then high ones) and 32 high bytes (four bit pairs).
    const int run = group / 8;
    const int place = 16 * (group % 8);  // of the group's first element in its run
    const uint8_t* const nibbles = low + 64 * run + place % 64;
    const uint8_t* const pairs = high + 32 * run + place % 32;
    const int nibble_shift = 4 * (place / 64);
    const int pair_shift = 2 * (place / 32);
    for (int i = 0; i < 16; ++i) {
      const int32_t value = ((nibbles[i] >> nibble_shift) & 0x0F) | (((pairs[i] >> pair_shift) & 0x03) << 4);
      values[16 * group + i] = scale * static_cast<float>(value - 32);
    }
  }
}

template <int kBytes, int kElements, void (*kBlock)(const uint8_t*, float*)>
void Blocks(const uint8_t* bytes, int64_t num_blocks, float* values) {
  for (int64_t i = 0; i < num_blocks; ++i) kBlock(bytes + i * kBytes, values + i * kElements);
}

template <float (*kConvert)(uint16_t)>
void Halves(const uint8_t* bytes, int64_t num_values, float* values) {
  for (int64_t i = 0; i < num_values; ++i) values[i] = kConvert(LoadUnaligned<uint16_t>(bytes + 2 * i));
}

}  // namespace

void Dequantize(const TensorView& tensor, absl::Span<float> values) {
  const int64_t num_blocks = tensor.num_elements() / BlockElements(tensor.type);
  PERENNIAL_CHECK(static_cast<int64_t>(values.size()) == tensor.num_elements());
  PERENNIAL_CHECK(static_cast<int64_t>(tensor.bytes.size()) == num_blocks * BlockBytes(tensor.type));
  const uint8_t* const bytes = reinterpret_cast<const uint8_t*>(tensor.bytes.data());
  switch (tensor.type) {
    case TensorType::kF32:
      std::memcpy(values.data(), bytes, tensor.bytes.size());
      return;
    case TensorType::kF16:
      return Halves<FloatFromF16>(bytes, num_blocks, values.data());
    case TensorType::kBF16:
      return Halves<FloatFromBF16>(bytes, num_blocks, values.data());
    case TensorType::kQ8_0:
      return Blocks<34, 32, BlockQ8_0>(bytes, num_blocks, values.data());
    case TensorType::kQ4_0:
      return Blocks<18, 32, BlockQ4_0>(bytes, num_blocks, values.data());
    case TensorType::kQ4_1:
      return Blocks<20, 32, BlockQ4_1>(bytes, num_blocks, values.data());
    case TensorType::kQ5_0:
      return Blocks<22, 32, BlockQ5_0>(bytes, num_blocks, values.data());
    case TensorType::kQ5_1:
      return Blocks<24, 32, BlockQ5_1>(bytes, num_blocks, values.data());
    case TensorType::kQ4_K:
      return Blocks<144, 256, BlockQ4_K>(bytes, num_blocks, values.data());
    case TensorType::kQ5_K:
      return Blocks<176, 256, BlockQ5_K>(bytes, num_blocks, values.data());
    case TensorType::kQ6_K:
      return Blocks<210, 256, BlockQ6_K>(bytes, num_blocks, values.data());
  }
}

}  // namespace perennial
