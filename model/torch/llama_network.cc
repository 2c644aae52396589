#include "model/torch/llama_network.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>

#include <utility>
#include <vector>

namespace perennial {
namespace {

at::Tensor Linear(const at::Tensor& rows, const LinearWeights& weights) {
  return weights.bias.defined() ? at::linear(rows, weights.matrix, weights.bias) : at::linear(rows, weights.matrix);
}

}  // namespace

LlamaNetwork::LlamaNetwork(const ModelConfig& config, LlamaWeights weights)
    : config_(config), weights_(std::move(weights)), rope_(ComputeRopeFrequencies(config)) {}

at::Tensor LlamaNetwork::Normalize(const at::Tensor& hidden, const at::Tensor& weight) const {
  const at::Tensor inverse = hidden.square().mean({-1}, /*keepdim=*/true).add_(config_.rms_norm_epsilon).rsqrt_();
  return at::mul(hidden, inverse).mul_(weight).to(dtype());
}

AttentionRows LlamaNetwork::ProjectRows(const at::Tensor& normalized, const LayerWeights& layer,
                                        const StepTensors& step) const {
  const int64_t rows = normalized.size(0);
  const int64_t heads = config_.num_heads;
  const int64_t kv_heads = config_.num_kv_heads;
  // [T, heads + 2 kv_heads, head_size]
  const at::Tensor projected = Linear(normalized, layer.query_key_value).view({rows, -1, config_.head_size});
  const at::Tensor queries_keys = projected.narrow(1, 0, heads + kv_heads).to(at::kFloat);
  const at::Tensor by_index = Rotate(queries_keys, step.index_cosines, step.index_sines);

  AttentionRows result;
  result.queries_by_index = by_index.narrow(1, 0, heads);
  result.keys = by_index.narrow(1, heads, kv_heads).to(dtype());
  result.values = projected.narrow(1, heads + kv_heads, kv_heads);
  if (step.place_cosines.defined()) {
    result.queries_by_place = Rotate(queries_keys.narrow(1, 0, heads), step.place_cosines, step.place_sines);
  }
  return result;
}

at::Tensor LlamaNetwork::Forward(const StepTensors& step, KvCachePool& pool) const {
  at::Tensor hidden = weights_.embedding.index_select(0, step.tokens).to(at::kFloat);
  const int64_t gate_size = config_.feed_forward_size;
  for (int32_t index = 0; index < config_.num_layers; ++index) {
    const LayerWeights& layer = weights_.layers[index];
    const AttentionRows rows = ProjectRows(Normalize(hidden, layer.attention_norm), layer, step);
    WriteCache(step.writes_before, rows, pool, index);
    std::vector<at::Tensor> attended;
    for (const AttentionInput& input : step.inputs) attended.push_back(Attend(input, rows, pool, index));
    WriteCache(step.writes_after, rows, pool, index);
    const at::Tensor mixed = attended.size() == 1 ? attended[0] : at::cat(attended);
    hidden.add_(Linear(mixed.to(dtype()), layer.attention_out));

    const at::Tensor gate_up = Linear(Normalize(hidden, layer.feed_forward_norm), layer.gate_up);
    const at::Tensor activated =
        at::silu(gate_up.narrow(1, 0, gate_size)).mul_(gate_up.narrow(1, gate_size, gate_size));
    hidden.add_(Linear(activated, layer.down));
  }
  return hidden;
}

at::Tensor LlamaNetwork::Logits(const at::Tensor& hidden) const {
  return at::linear(Normalize(hidden, weights_.output_norm), weights_.output).to(at::kFloat);
}

}  // namespace perennial
