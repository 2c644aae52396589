#include "model/torch/linear.h"

#include <ATen/Context.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>

#include <optional>

#include "model/torch/compute_choice.h"

namespace perennial {
namespace {

// The numbers of rows that one packing serves are 2 … max_tokens_per_step. Packed for many rows, few are as fast as
// when packed for one (bfloat16), or faster (float32).
constexpr int64_t kPackedForRows = 512;

// oneDNN's operators have no function in ATen's headers: they are found by name. A libtorch without them has no
// MKLDNN, or has changed their signature, which throws c10::Error.
using PackOperator = at::Tensor(const at::Tensor&, std::optional<c10::SymInt>);
using LinearOperator = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                                  c10::string_view, c10::List<std::optional<at::Scalar>>,
                                  std::optional<c10::string_view>);

at::Tensor Pack(const at::Tensor& matrix) {
  static const auto pack =
      c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_reorder_linear_weight", "").typed<PackOperator>();
  return pack.call(matrix, c10::SymInt(kPackedForRows));
}

at::Tensor MultiplyPacked(const at::Tensor& rows, const at::Tensor& packed, const at::Tensor& bias) {
  static const auto multiply =
      c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_linear_pointwise", "").typed<LinearOperator>();
  const std::optional<at::Tensor> added = bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt;
  return multiply.call(rows, packed, added, "none", c10::List<std::optional<at::Scalar>>(), "");
}

bool CanPack(const at::Tensor& matrix) {
  if (!matrix.is_cpu() || !at::globalContext().hasMKLDNN()) return false;
  return matrix.scalar_type() == at::kFloat || (matrix.scalar_type() == at::kBFloat16 && HasFastBfloat16());
}

}  // namespace

int64_t PaddedRows(int64_t rows, at::Device device) {
  constexpr int64_t kFewest = 2;
  constexpr int64_t kMultiple = 32;
  if (!device.is_cpu()) return rows;
  if (rows > kMultiple) return (rows + kMultiple - 1) / kMultiple * kMultiple;
  int64_t padded = kFewest;
  while (padded < rows) padded *= 2;
  return padded;
}

Linear::Linear(const LinearWeights& weights)
    : matrix_(CanPack(weights.matrix) ? Pack(weights.matrix) : weights.matrix), bias_(weights.bias) {}

at::Tensor Linear::operator()(const at::Tensor& rows) const {
  if (matrix_.is_mkldnn()) return MultiplyPacked(rows, matrix_, bias_);
  return bias_.defined() ? at::linear(rows, matrix_, bias_) : at::linear(rows, matrix_);
}

}  // namespace perennial
