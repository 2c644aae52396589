// A tensor as it lies in a checkpoint file: name, element type, shape and a view of its bytes.

#ifndef PERENNIAL_MODEL_CHECKPOINT_TENSOR_H_
#define PERENNIAL_MODEL_CHECKPOINT_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace perennial {

// Element types that can be read. The quantised ones are GGML's block formats.
enum class TensorType { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ4_K, kQ5_K, kQ6_K };

absl::string_view TensorTypeName(TensorType type);  // "Q4_K"
int32_t BlockElements(TensorType type);             // elements per block: 1, 32 or 256
int32_t BlockBytes(TensorType type);                // bytes per block

struct TensorView {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;         // row-major, outermost first: a linear layer is [out, in]
  absl::Span<const std::byte> bytes;  // exactly the tensor's; belongs to the checkpoint (memory-mapped), any alignment

  int64_t num_elements() const;
};

// Converts to float32 in row-major order. Thread-safe for different outputs.
// REQUIRES: values.size() == tensor.num_elements(). The view was checked by the reader that made it.
void Dequantize(const TensorView& tensor, absl::Span<float> values);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_TENSOR_H_
