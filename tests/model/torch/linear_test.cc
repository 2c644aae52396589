#include "model/torch/linear.h"

#include <ATen/ops/abs.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max.h>
#include <gtest/gtest.h>

#include <initializer_list>

namespace perennial {
namespace {

// Values in -1 … 1 without a short period.
at::Tensor Wavy(int64_t rows, int64_t columns, double step) {
  return at::arange(rows * columns, at::kDouble).mul_(step).sin_().view({rows, columns});
}

// Shapes of the default model's layers: the long inner dimension is the one whose sum is split for a single row.
TEST(LinearTest, ResultIsTheProduct) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor matrix = Wavy(576, 1536, 0.37).to(dtype);
    const at::Tensor bias = Wavy(1, 576, 0.11).view({576}).to(dtype);
    const at::Tensor rows = Wavy(7, 1536, 0.73).to(dtype);
    const at::Tensor expected = at::linear(rows.to(at::kDouble), matrix.to(at::kDouble), bias.to(at::kDouble));
    const at::Tensor result = Linear(LinearWeights{matrix, bias})(rows);
    EXPECT_EQ(result.scalar_type(), dtype);
    // A sum of 1,536 products of numbers up to 1, rounded to the type.
    const double tolerance = dtype == at::kFloat ? 1e-3 : 0.25;
    EXPECT_TRUE(at::allclose(result.to(at::kDouble), expected, /*rtol=*/0.0, tolerance)) << c10::toString(dtype);
    EXPECT_GT(at::max(at::abs(expected)).item<double>(), 4 * tolerance);
  }
}

// To the bit with AVX512-BF16 (Zen 4); other processors' kernels may sum in another order for another number of rows.
TEST(LinearTest, NumberOfRowsHardlyChangesARow) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const int64_t columns : {int64_t{576}, int64_t{1536}}) {
      const Linear linear(LinearWeights{Wavy(576, columns, 0.37).to(dtype), {}});
      const at::Tensor rows = Wavy(512, columns, 0.73).to(dtype);
      const at::Tensor all = linear(rows);
      for (int64_t wanted = 1; wanted < 512; wanted = wanted * 3 / 2 + 1) {
        const int64_t count = PaddedRows(wanted, at::kCPU);
        const double tolerance = dtype == at::kFloat ? 1e-4 : 0.25;
        EXPECT_TRUE(at::allclose(linear(rows.narrow(0, 0, count)), all.narrow(0, 0, count), /*rtol=*/0.0, tolerance))
            << c10::toString(dtype) << ", " << columns << " columns, " << count << " rows";
      }
    }
  }
}

TEST(LinearTest, RowsArePaddedToFewSizes) {
  EXPECT_EQ(PaddedRows(1, at::kCPU), 2);
  EXPECT_EQ(PaddedRows(2, at::kCPU), 2);
  EXPECT_EQ(PaddedRows(3, at::kCPU), 4);
  EXPECT_EQ(PaddedRows(17, at::kCPU), 32);
  EXPECT_EQ(PaddedRows(33, at::kCPU), 64);
  EXPECT_EQ(PaddedRows(512, at::kCPU), 512);
  EXPECT_EQ(PaddedRows(3, at::kCUDA), 3);
}

}  // namespace
}  // namespace perennial
