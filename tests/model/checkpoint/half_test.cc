#include "model/checkpoint/half.h"

#include <gtest/gtest.h>

#include <cmath>

namespace perennial {
namespace {

// The definition, in double: (-1)^s · 2^(e-15) · (1 + f/1024), without the one and with e = 1 for e = 0.
double Definition(uint16_t half) {
  const int exponent = (half >> 10) & 0x1F;
  const double fraction = (half & 0x3FF) / 1024.0;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1.0 + fraction, exponent - 15);
  return half & 0x8000 ? -magnitude : magnitude;
}

TEST(HalfTest, ConvertsEveryFiniteFloat16Exactly) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    if ((half & 0x7C00) == 0x7C00) continue;
    const float value = FloatFromF16(static_cast<uint16_t>(half));
    ASSERT_EQ(static_cast<double>(value), Definition(static_cast<uint16_t>(half))) << half;
    ASSERT_EQ(std::signbit(value), (half & 0x8000) != 0) << half;
  }
}

TEST(HalfTest, KeepsInfinitiesAndNotANumber) {
  EXPECT_EQ(FloatFromF16(0x7C00), INFINITY);
  EXPECT_EQ(FloatFromF16(0xFC00), -INFINITY);
  EXPECT_TRUE(std::isnan(FloatFromF16(0x7E00)));
  EXPECT_TRUE(std::isnan(FloatFromBF16(0x7FC0)));
}

TEST(HalfTest, ConvertsBFloat16) {
  EXPECT_EQ(FloatFromBF16(0x3F80), 1.0f);
  EXPECT_EQ(FloatFromBF16(0xC040), -3.0f);
}

}  // namespace
}  // namespace perennial
