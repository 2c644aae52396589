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

// Element types that can be read. The quantised ones are GGML's block formats: so many neighbours of a row (the
// innermost dimension, which is a whole number of blocks long) share a scale, in the K formats of a block of 256 with
// scales of their own for 16 or 32 elements. Little-endian, as both file formats are.
enum class TensorType { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ4_K, kQ5_K, kQ6_K };

absl::string_view TensorTypeName(TensorType type);  // "Q4_K", as GGML writes it
int32_t BlockElements(TensorType type);             // elements per block: 1, 32 or 256
int32_t BlockBytes(TensorType type);                // bytes per block, scales included

// A view: cheap to copy, valid as long as the checkpoint. A reader makes one only when the file's bytes and the shape
// fit together (tensor_size.h): at least one dimension, each at least 1, whole blocks.
struct TensorView {
  std::string name;  // the file's own; TensorTable knows it by a canonical one
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;         // row-major, outermost first: a linear layer is [out, in]
  absl::Span<const std::byte> bytes;  // exactly the tensor's; belongs to the checkpoint (memory-mapped), any alignment

  int64_t num_elements() const;  // the product of the shape
};

// Converts to float32 in row-major order: F16 and BF16 exactly, blocks by GGML's formulas in float32, to the bit as
// gguf-py does. Values that are no numbers stay so: finding them is the caller's. Thread-safe for different
// outputs.
// REQUIRES: values.size() == tensor.num_elements(). The view was checked by the reader that made it.
void Dequantize(const TensorView& tensor, absl::Span<float> values);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_TENSOR_H_
