// The decoder-only network that a ModelConfig describes: blocks of attention and feed-forward over the rows of a whole
// batch at once; only the attention looks at one session at a time. It obeys the description and knows no family.
//
// Number types: norms, rotation, scores, softmax and the residual stream are float32; linear layers and the cache have
// the compute type.

#ifndef PERENNIAL_MODEL_TORCH_DECODER_NETWORK_H_
#define PERENNIAL_MODEL_TORCH_DECODER_NETWORK_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/model_config.h"
#include "model/torch/attention.h"
#include "model/torch/attention_plan.h"
#include "model/torch/kv_cache_pool.h"
#include "model/torch/linear.h"
#include "model/torch/rope.h"
#include "model/torch/step_tensors.h"
#include "model/torch/weights.h"

namespace perennial {

// Immutable after construction. Throws c10::Error where libtorch does.
class DecoderNetwork {
 public:
  // Packs the weights (linear.h); what is packed is freed.
  DecoderNetwork(const ModelConfig& config, NetworkWeights weights);

  // The frequencies that its layers rotate with; none if nothing rotates. For MakeStepTensors.
  const std::vector<RopeFrequencies>& ropes() const { return ropes_; }
  // The ways in which its layers look at the cache, at least one: every input of a step has a plan for each.
  const std::vector<PlanOptions>& views() const { return views_; }
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
    NormWeights attention_norm;
    Linear query_key_value;
    at::Tensor head_norms;
    Linear attention_out;
    NormWeights attention_out_norm, feed_forward_norm;
    Linear gate_up, down;
    NormWeights feed_forward_out_norm;
    size_t view, rope;  // indexes into views() and ropes()
  };

  size_t ViewIndex(int32_t window_tokens);  // adds it to views_ if it is new

  // float32 [rows, n] -> the same, normalised over n.
  at::Tensor Normalize(const at::Tensor& rows, const NormWeights& norm) const;
  at::Tensor NormalizeHeads(const at::Tensor& heads, const at::Tensor& weights) const;

  AttentionRows ProjectRows(const at::Tensor& normalized, const Layer& layer, const StepTensors& step) const;
  // Attention of the step's rows; compute type in and out. `mixed` [padded rows, heads * head_size] is scratch memory.
  at::Tensor Attention(const at::Tensor& normalized, int32_t index, const StepTensors& step, KvCachePool& pool,
                       at::Tensor& mixed) const;
  at::Tensor FeedForward(const at::Tensor& normalized, const Layer& layer) const;
  // Adds what a part of a block has computed to the residual stream, normalised before if `norm` has a weight.
  void AddTo(at::Tensor& hidden, const at::Tensor& computed, const NormWeights& norm) const;

  const ModelConfig config_;
  const at::Tensor embedding_;  // as loaded: it is read row by row, also where a packed copy of it is the output
  const NormWeights output_norm_;
  const Linear output_;
  std::vector<RopeFrequencies> ropes_;
  std::vector<PlanOptions> views_;
  std::vector<Layer> layers_;
  ScoreRule score_rule_;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_DECODER_NETWORK_H_
