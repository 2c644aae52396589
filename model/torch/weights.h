// A checkpoint's tensors as torch tensors, ready to compute with: dequantised, converted to the model's type, on its
// device, taken apart where the checkpoint fuses them its own way, and joined where layers read the same input.

#ifndef PERENNIAL_MODEL_TORCH_WEIGHTS_H_
#define PERENNIAL_MODEL_TORCH_WEIGHTS_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint/checkpoint.h"

namespace perennial {

// A matrix [out, in] and, if the checkpoint has it, a bias [out] (else undefined).
struct LinearWeights {
  at::Tensor matrix;
  at::Tensor bias;
};

// [hidden] each, float32, because norms are applied in float32. Bias undefined if there is none; both undefined if the
// block has no such norm.
struct NormWeights {
  at::Tensor weight;
  at::Tensor bias;
};

// Matrices and biases have the compute type.
struct LayerWeights {
  NormWeights attention_norm;
  LinearWeights query_key_value;   // [(heads + 2 kv_heads) * head_size, hidden]: queries, then keys, then values
  at::Tensor head_norms;           // float32 [heads + kv_heads, head_size]; undefined if there are none
  LinearWeights attention_out;     // [hidden, heads * head_size]
  NormWeights attention_out_norm;  // sandwich blocks only, as feed_forward_out_norm
  NormWeights feed_forward_norm;   // not in parallel blocks with one norm
  LinearWeights gate_up;           // [2 feed_forward, hidden]: gate, then up; [feed_forward, hidden] if not gated
  LinearWeights down;              // [hidden, feed_forward]
  NormWeights feed_forward_out_norm;
};

struct NetworkWeights {
  at::Tensor embedding;  // [vocab, hidden]
  std::vector<LayerWeights> layers;
  NormWeights output_norm;
  LinearWeights output;  // [vocab, hidden]; the embedding itself if they are tied
};

// Loads all weights. Query and key rows of a checkpoint with RopeLayout::kInterleaved are put back into the order in
// which dimension i rotates with i + rotary_size / 2, and rows that are grouped by key head into queries, keys, values,
// so that the network knows one layout only.
//
// Errors are the checkpoint's (missing tensor, wrong shape), or INVALID_ARGUMENT naming the tensor that holds a NaN or
// an infinity (also one that only the compute type makes infinite).
absl::StatusOr<NetworkWeights> LoadNetworkWeights(const Checkpoint& checkpoint, at::ScalarType dtype,
                                                  at::Device device);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_WEIGHTS_H_
