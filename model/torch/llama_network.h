// The Llama family's network: pre-norm blocks of grouped-query attention and SwiGLU feed-forward, over the rows of a
// whole batch at once; only the attention looks at one session at a time.
//
// Number types: norms, rotation, scores, softmax and the residual stream are float32; linear layers and the cache have
// the compute type.

#ifndef PERENNIAL_MODEL_TORCH_LLAMA_NETWORK_H_
#define PERENNIAL_MODEL_TORCH_LLAMA_NETWORK_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/model_config.h"
#include "model/torch/attention.h"
#include "model/torch/kv_cache_pool.h"
#include "model/torch/linear.h"
#include "model/torch/rope.h"
#include "model/torch/step_tensors.h"
#include "model/torch/weights.h"

namespace perennial {

// Immutable after construction. Throws c10::Error where libtorch does.
class LlamaNetwork {
 public:
  // Packs the weights (linear.h); what is packed is freed.
  LlamaNetwork(const ModelConfig& config, LlamaWeights weights);

  const RopeFrequencies& rope() const { return rope_; }
  at::ScalarType dtype() const { return embedding_.scalar_type(); }
  at::Device device() const { return embedding_.device(); }

  // Runs the step's rows through all layers, writing their keys and values into the pool. Returns the residual stream
  // after the last layer, float32 [T, hidden].
  at::Tensor Forward(const StepTensors& step, KvCachePool& pool) const;

  // Logits of rows of the residual stream: [R, hidden] -> float32 [R, vocab].
  at::Tensor Logits(const at::Tensor& hidden) const;

 private:
  // LayerWeights, ready to multiply.
  struct Layer {
    at::Tensor attention_norm;
    Linear query_key_value, attention_out;
    at::Tensor feed_forward_norm;
    Linear gate_up, down;
  };

  at::Tensor Normalize(const at::Tensor& hidden, const at::Tensor& weight) const;  // RMSNorm, then the compute type
  AttentionRows ProjectRows(const at::Tensor& normalized, const Layer& layer, const StepTensors& step) const;

  const ModelConfig config_;
  const at::Tensor embedding_;  // as loaded: it is read row by row, also where a packed copy of it is the output
  const at::Tensor output_norm_;
  const Linear output_;
  std::vector<Layer> layers_;
  const RopeFrequencies rope_;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_LLAMA_NETWORK_H_
