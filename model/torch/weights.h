// A checkpoint's tensors as torch tensors, ready to compute with: dequantised, converted to the model's type, on its
// device, and joined where two linear layers read the same input.

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

// Matrices and biases have the compute type; norms are float32, because they are applied in float32.
struct LayerWeights {
  at::Tensor attention_norm;      // [hidden]
  LinearWeights query_key_value;  // [(heads + 2 kv_heads) * head_size, hidden]: queries, then keys, then values
  LinearWeights attention_out;    // [hidden, heads * head_size]
  at::Tensor feed_forward_norm;   // [hidden]
  LinearWeights gate_up;          // [2 feed_forward, hidden]: gate, then up
  LinearWeights down;             // [hidden, feed_forward]
};

struct LlamaWeights {
  at::Tensor embedding;  // [vocab, hidden]
  std::vector<LayerWeights> layers;
  at::Tensor output_norm;  // [hidden] float32
  at::Tensor output;       // [vocab, hidden]; the embedding itself if they are tied
};

// Loads all weights. Query and key rows of a checkpoint with RopeLayout::kInterleaved are put back into the order in
// which dimension i rotates with i + head_size / 2, so that the network knows one layout only.
//
// Errors are the checkpoint's (missing tensor, wrong shape), or INVALID_ARGUMENT naming the tensor that holds a NaN or
// an infinity (also one that only the compute type makes infinite).
absl::StatusOr<LlamaWeights> LoadLlamaWeights(const Checkpoint& checkpoint, at::ScalarType dtype, at::Device device);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_WEIGHTS_H_
