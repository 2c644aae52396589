// Linear layers: rows times a matrix, in the form that is fastest on the device.
//
// On a CPU the matrix is packed once for oneDNN, when the layer is made. That matters twice:
// - Speed: at::linear goes to MKL in float32, which on AMD's processors runs its plainest kernels, one thread for a
//   single row, and to oneDNN in bfloat16, which then reads the matrix in an order that is not its own. All layers of
//   the default model on 2 Zen 4 cores, milliseconds for 1 / 8 rows: float32 53 / 79 -> 29 / 33, bfloat16 25 / 32 -> 16
//   / 18.
// - Exactness: with a packed matrix the result of a row has the same bits whatever the number of rows, from two rows on
//   (a single row may be summed in another order); seen on Zen 4, not promised by oneDNN. So how a prompt is cut into
//   chunks, and who else is in the batch, changes nothing here, if the number of rows is one of PaddedRows.

#ifndef PERENNIAL_MODEL_TORCH_LINEAR_H_
#define PERENNIAL_MODEL_TORCH_LINEAR_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/torch/weights.h"

namespace perennial {

// The number of rows to compute when `rows` are wanted: 2, 4, 8, 16, 32, then multiples of 32; unchanged on other
// devices than the CPU. The rows in excess are computed and thrown away. oneDNN keeps a compiled kernel for every
// number of rows that it has met (up to 1,024 in all): a few sizes keep that memory small and constant. REQUIRES: rows
// > 0.
int64_t PaddedRows(int64_t rows, at::Device device);

// Immutable after construction.
class Linear {
 public:
  Linear() = default;

  // Keeps a packed copy of the matrix, or the matrix itself where there is nothing to pack for: another device, a
  // processor or a number type that oneDNN does not know.
  explicit Linear(const LinearWeights& weights);

  // [rows, in] -> [rows, out], in the matrix's type.
  at::Tensor operator()(const at::Tensor& rows) const;

 private:
  at::Tensor matrix_;  // packed: opaque, readable by oneDNN only
  at::Tensor bias_;    // undefined if there is none
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_LINEAR_H_
