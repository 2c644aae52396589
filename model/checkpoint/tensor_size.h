// Sizes of tensors whose shape a file claims: overflow-safe, with limits.

#ifndef PERENNIAL_MODEL_CHECKPOINT_TENSOR_SIZE_H_
#define PERENNIAL_MODEL_CHECKPOINT_TENSOR_SIZE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/checkpoint/tensor.h"

namespace perennial {

// Elements in one tensor, at most: 2^40. Products of sizes below stay far from 2^63.
inline constexpr int64_t kMaxTensorElements = int64_t{1} << 40;

// Bytes of a tensor of this type and row-major shape. INVALID_ARGUMENT (without the tensor's name; the caller adds it)
// for no dimensions, a dimension < 1, more than kMaxTensorElements elements, or a row that is not whole blocks.
absl::StatusOr<uint64_t> TensorBytes(TensorType type, absl::Span<const int64_t> shape);

// Bytes [begin, end) that a tensor occupies. Checks a whole file: INVALID_ARGUMENT naming two tensors that overlap.
struct TensorExtent {
  uint64_t begin = 0;
  uint64_t end = 0;
  absl::string_view name;
};
absl::Status CheckDisjoint(std::vector<TensorExtent> extents);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_TENSOR_SIZE_H_
