#include "model/logit_blocks.h"

#include <algorithm>
#include <cstring>

namespace perennial {
namespace {

constexpr size_t kBlock = LogitBlocks::kBlock;

// Sums and maxima are kept in so many lanes, which are put together at a block's end: the same bits for every width of
// vector. Fused multiply-adds would change them; this file is compiled without.
constexpr size_t kLanes = 16;

// Vectors of floats (the extension of GCC and Clang: loops over arrays become vector code only where nothing
// looks like a comparison of floats, which may trap).
struct VectorsOf4 {
  static constexpr size_t kWidth = 4;
  using Floats = float __attribute__((vector_size(16)));
  using Ints = int32_t __attribute__((vector_size(16)));
};
struct VectorsOf8 {
  static constexpr size_t kWidth = 8;
  using Floats = float __attribute__((vector_size(32)));
  using Ints = int32_t __attribute__((vector_size(32)));
};
struct VectorsOf16 {
  static constexpr size_t kWidth = 16;
  using Floats = float __attribute__((vector_size(64)));
  using Ints = int32_t __attribute__((vector_size(64)));
};

#define PERENNIAL_INLINE inline __attribute__((always_inline))

// x where the weight is 0.
constexpr float kMostX = 87.0f;

// exp(-x) for x in [0, kMostX], of floats or vectors of them.
template <typename Floats, typename Ints>
PERENNIAL_INLINE void ExpOfMinusBounded(const Floats& x, Floats& power) {
  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
  const Floats shifted = x * -1.44269504f + 12582912.0f;
  const Floats n = shifted - 12582912.0f;
  const Floats r = (-x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  Ints exponent;
  std::memcpy(&exponent, &shifted, sizeof(exponent));
  exponent = (exponent - 0x4b400000 + 127) << 23;
  std::memcpy(&power, &exponent, sizeof(power));
  power = p * power;
}

// The passes, for one width of vector.
template <typename Vectors>
struct Passes {
  using Floats = typename Vectors::Floats;
  using Ints = typename Vectors::Ints;
  static constexpr size_t kWidth = Vectors::kWidth;
  static constexpr size_t kParts = kLanes / kWidth;

  static PERENNIAL_INLINE void Load(const float* values, Floats& loaded) {
    std::memcpy(&loaded, values, sizeof(loaded));  // of any alignment
  }

  // Where `mask` is -1 the first, where it is 0 the second.
  static PERENNIAL_INLINE void Select(const Ints& mask, const Floats& first, const Floats& second, Floats& chosen) {
    chosen = (Floats)((mask & (Ints)first) | (~mask & (Ints)second));
  }

  static PERENNIAL_INLINE void KeepLarger(const Floats& value, Floats& largest) {
    Select(value > largest, value, largest, largest);
  }

  // `x` bounded by kMostX, and exp(-x), which is 0 beyond it.
  static PERENNIAL_INLINE void Weights(Floats& x, Floats& weights) {
    const Ints in_range = x <= kMostX;
    Select(in_range, x, Floats{} + kMostX, x);
    Floats power;
    ExpOfMinusBounded<Floats, Ints>(x, power);
    weights = (Floats)((Ints)power & in_range);
  }

  static PERENNIAL_INLINE float HighestIn(const Floats* parts) {
    Floats highest = parts[0];
    for (size_t part = 1; part < kParts; ++part) KeepLarger(parts[part], highest);
    float largest = highest[0];
    for (size_t lane = 1; lane < kWidth; ++lane) largest = std::max(largest, highest[lane]);
    return largest;
  }

  static PERENNIAL_INLINE double SumOf(const Floats* parts) {
    float lanes[kLanes];
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = parts[lane / kWidth][lane % kWidth];
    for (size_t half = kLanes / 2; half > 0; half /= 2) {
      for (size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    }
    return double{lanes[0]};
  }

  // Whole blocks from `given` to `kept`, cleaned, with the highest of each.
  static PERENNIAL_INLINE void Clean(const float* given, size_t blocks, float* kept, float* highest_of) {
    const Floats never = Floats{} + LogitBlocks::kNever;
    const Floats largest = Floats{} + LogitBlocks::kLargest;
    for (size_t block = 0; block < blocks; ++block) {
      Floats highest[kParts];
      for (size_t part = 0; part < kParts; ++part) highest[part] = never;
      for (size_t i = block * kBlock; i < (block + 1) * kBlock; i += kLanes) {
        for (size_t part = 0; part < kParts; ++part) {
          Floats value;
          Load(given + i + part * kWidth, value);
          Floats clean;
          Select(value > largest, largest, value, clean);
          Select(value == value, clean, never, clean);  // NaN is not equal to itself
          std::memcpy(kept + i + part * kWidth, &clean, sizeof(clean));
          KeepLarger(clean, highest[part]);
        }
      }
      highest_of[block] = HighestIn(highest);
    }
  }

  // Keeps what has its bit set in `allowed` (two words a block), with the highest of each block.
  static PERENNIAL_INLINE void Mask(const uint32_t* allowed, size_t blocks, float* logits, float* highest_of) {
    const Floats never = Floats{} + LogitBlocks::kNever;
    Ints bits[kParts];  // lane l of part p has bit p * kWidth + l
    for (size_t lane = 0; lane < kLanes; ++lane) bits[lane / kWidth][lane % kWidth] = 1 << lane;
    for (size_t block = 0; block < blocks; ++block) {
      Floats highest[kParts];
      for (size_t part = 0; part < kParts; ++part) highest[part] = never;
      for (size_t i = block * kBlock; i < (block + 1) * kBlock; i += kLanes) {
        const auto word = static_cast<int32_t>(allowed[i / 32] >> (i % 32) & 0xffff);
        for (size_t part = 0; part < kParts; ++part) {
          Floats value;
          Load(logits + i + part * kWidth, value);
          Select((bits[part] & word) != 0, value, never, value);
          std::memcpy(logits + i + part * kWidth, &value, sizeof(value));
          KeepLarger(value, highest[part]);
        }
      }
      highest_of[block] = HighestIn(highest);
    }
  }

  static PERENNIAL_INLINE void Weigh(const float* logits, size_t blocks, float highest, float inverse_temperature,
                                     double* mass) {
    for (size_t block = 0; block < blocks; ++block) {
      Floats sums[kParts] = {};
      for (size_t i = block * kBlock; i < (block + 1) * kBlock; i += kLanes) {
        for (size_t part = 0; part < kParts; ++part) {
          Floats x;
          Load(logits + i + part * kWidth, x);
          x = (highest - x) * inverse_temperature;
          Floats weights;
          Weights(x, weights);
          sums[part] += weights;
        }
      }
      mass[block] = SumOf(sums);
    }
  }

  static PERENNIAL_INLINE void WeighInformation(const float* logits, size_t blocks, float highest,
                                                float inverse_temperature, double* totals) {
    for (size_t block = 0; block < blocks; ++block) {
      Floats sums[kParts] = {};
      Floats information[kParts] = {};
      for (size_t i = block * kBlock; i < (block + 1) * kBlock; i += kLanes) {
        for (size_t part = 0; part < kParts; ++part) {
          Floats x;
          Load(logits + i + part * kWidth, x);
          x = (highest - x) * inverse_temperature;
          Floats weights;
          Weights(x, weights);
          sums[part] += weights;
          information[part] += weights * x;
        }
      }
      totals[0] += SumOf(sums);
      totals[1] += SumOf(information);
    }
  }
};

// Each pass under one name, in the version that this machine can run: on x86-64 with vectors of 16, 8 or 4 floats.
// NOLINTBEGIN(bugprone-macro-parentheses): the arguments are lists in parentheses already.
#if defined(__x86_64__) && defined(__GNUC__)
size_t VectorWidth() {
  static const size_t width = __builtin_cpu_supports("avx512f") ? 16 : __builtin_cpu_supports("avx2") ? 8 : 4;
  return width;
}
#define PERENNIAL_PASS(name, parameters, arguments)                                                    \
  __attribute__((target("avx512f"))) void name##16 parameters { Passes<VectorsOf16>::name arguments; } \
  __attribute__((target("avx2"))) void name##8 parameters { Passes<VectorsOf8>::name arguments; }      \
  void name parameters {                                                                               \
    const size_t vector_width = VectorWidth();                                                         \
    if (vector_width == 16) return name##16 arguments;                                                 \
    if (vector_width == 8) return name##8 arguments;                                                   \
    Passes<VectorsOf4>::name arguments;                                                                \
  }
#else
#define PERENNIAL_PASS(name, parameters, arguments) \
  void name parameters { Passes<VectorsOf4>::name arguments; }
#endif
// NOLINTEND(bugprone-macro-parentheses)

PERENNIAL_PASS(Clean, (const float* given, size_t blocks, float* kept, float* highest), (given, blocks, kept, highest))
PERENNIAL_PASS(Mask, (const uint32_t* allowed, size_t blocks, float* logits, float* highest),
               (allowed, blocks, logits, highest))
PERENNIAL_PASS(Weigh, (const float* logits, size_t blocks, float highest, float inverse_temperature, double* mass),
               (logits, blocks, highest, inverse_temperature, mass))
PERENNIAL_PASS(WeighInformation,
               (const float* logits, size_t blocks, float highest, float inverse_temperature, double* totals),
               (logits, blocks, highest, inverse_temperature, totals))

#undef PERENNIAL_PASS
#undef PERENNIAL_INLINE

}  // namespace

float ExpOfMinus(float x) {
  if (!(x <= kMostX)) return 0.0f;
  float power;
  ExpOfMinusBounded<float, int32_t>(x, power);
  return power;
}

void LogitBlocks::Assign(absl::Span<const float> logits) {
  vocab_size_ = logits.size();
  const size_t whole_blocks = logits.size() / kBlock;
  const size_t blocks = (logits.size() + kBlock - 1) / kBlock;
  logits_.resize(blocks * kBlock);
  highest_of_.resize(blocks);
  stale_.assign(blocks, 0);
  Clean(logits.data(), whole_blocks, logits_.data(), highest_of_.data());
  if (blocks > whole_blocks) {
    float last[kBlock];
    std::fill(last, last + kBlock, kNever);
    std::copy(logits.begin() + static_cast<std::ptrdiff_t>(whole_blocks * kBlock), logits.end(), last);
    Clean(last, 1, logits_.data() + whole_blocks * kBlock, highest_of_.data() + whole_blocks);
  }
}

void LogitBlocks::Set(TokenId token, float logit) {
  const size_t index = static_cast<size_t>(token);
  logits_[index] = logit;
  stale_[index / kBlock] = 1;
}

void LogitBlocks::KeepOnly(absl::Span<const uint32_t> allowed) {
  const size_t whole_blocks = std::min(num_blocks(), allowed.size() / 2);
  Mask(allowed.data(), whole_blocks, logits_.data(), highest_of_.data());
  std::fill_n(stale_.begin(), whole_blocks, uint8_t{0});
  for (size_t block = whole_blocks; block < num_blocks(); ++block) {
    const uint32_t words[2] = {2 * block < allowed.size() ? allowed[2 * block] : 0, 0};
    Mask(words, 1, logits_.data() + block * kBlock, highest_of_.data() + block);
    stale_[block] = 0;
  }
}

void LogitBlocks::Refresh() {
  highest_ = kNever;
  for (size_t block = 0; block < num_blocks(); ++block) {
    if (stale_[block] != 0) {
      const float* const values = logits_.data() + block * kBlock;
      highest_of_[block] = *std::max_element(values, values + kBlock);
      stale_[block] = 0;
    }
    highest_ = std::max(highest_, highest_of_[block]);
  }
}

TokenId LogitBlocks::Highest() const {
  size_t block = 0;
  while (highest_of_[block] != highest_) ++block;
  size_t token = block * kBlock;
  while (logits_[token] != highest_) ++token;
  return static_cast<TokenId>(token);
}

double LogitBlocks::Weigh(float inverse_temperature, std::vector<double>& mass) const {
  mass.resize(num_blocks());
  perennial::Weigh(logits_.data(), num_blocks(), highest_, inverse_temperature, mass.data());
  double total = 0.0;
  for (double block_mass : mass) total += block_mass;
  return total;
}

double LogitBlocks::WeighInformation(float inverse_temperature, double& mass) const {
  double sums[2] = {mass, 0.0};
  perennial::WeighInformation(logits_.data(), num_blocks(), highest_, inverse_temperature, sums);
  mass = sums[0];
  return sums[1];
}

}  // namespace perennial
