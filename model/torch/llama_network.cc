#include "model/torch/llama_network.h"

#include <ATen/ops/mul.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>

#include <utility>
#include <vector>

namespace perennial {

LlamaNetwork::LlamaNetwork(const ModelConfig& config, LlamaWeights weights)
    : config_(config),
      embedding_(std::move(weights.embedding)),
      output_norm_(std::move(weights.output_norm)),
      output_(LinearWeights{weights.output, {}}),
      rope_(ComputeRopeFrequencies(config)) {
  for (LayerWeights& layer : weights.layers) {
    layers_.push_back({layer.attention_norm, Linear(layer.query_key_value), Linear(layer.attention_out),
                       layer.feed_forward_norm, Linear(layer.gate_up), Linear(layer.down)});
    layer = {};  // what was packed is freed before the next layer is
  }
}

at::Tensor LlamaNetwork::Normalize(const at::Tensor& hidden, const at::Tensor& weight) const {
  const at::Tensor inverse = hidden.square().mean({-1}, /*keepdim=*/true).add_(config_.rms_norm_epsilon).rsqrt_();
  return at::mul(hidden, inverse).mul_(weight).to(dtype());
}

AttentionRows LlamaNetwork::ProjectRows(const at::Tensor& normalized, const Layer& layer,
                                        const StepTensors& step) const {
  const int64_t rows = step.tokens.size(0);
  const int64_t heads = config_.num_heads;
  const int64_t kv_heads = config_.num_kv_heads;
  // [T, heads + 2 kv_heads, head_size]
  const at::Tensor projected = layer.query_key_value(normalized).narrow(0, 0, rows).view({rows, -1, config_.head_size});
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
  const int64_t rows = step.tokens.size(0);
  const int64_t padded = PaddedRows(rows, device());  // rows in excess are zeros; only linear layers and norms see them
  at::Tensor hidden = at::zeros({padded, config_.hidden_size}, embedding_.options().dtype(at::kFloat));
  hidden.narrow(0, 0, rows).copy_(embedding_.index_select(0, step.tokens));
  at::Tensor mixed = at::zeros({padded, int64_t{config_.num_heads} * config_.head_size}, embedding_.options());
  const int64_t gate_size = config_.feed_forward_size;
  for (int32_t index = 0; index < config_.num_layers; ++index) {
    const Layer& layer = layers_[index];
    const AttentionRows attention = ProjectRows(Normalize(hidden, layer.attention_norm), layer, step);
    WriteCache(step.writes_before, attention, pool, index);
    for (const AttentionInput& input : step.inputs) {
      mixed.narrow(0, input.first_row, input.num_rows).copy_(Attend(input, attention, pool, index));
    }
    WriteCache(step.writes_after, attention, pool, index);
    hidden.add_(layer.attention_out(mixed));

    const at::Tensor gate_up = layer.gate_up(Normalize(hidden, layer.feed_forward_norm));
    const at::Tensor activated =
        at::silu(gate_up.narrow(1, 0, gate_size)).mul_(gate_up.narrow(1, gate_size, gate_size));
    hidden.add_(layer.down(activated));
  }
  return hidden.narrow(0, 0, rows);
}

at::Tensor LlamaNetwork::Logits(const at::Tensor& hidden) const {
  const int64_t rows = hidden.size(0);
  at::Tensor padded = at::zeros({PaddedRows(rows, device()), config_.hidden_size}, hidden.options());
  padded.narrow(0, 0, rows).copy_(hidden);
  return output_(Normalize(padded, output_norm_)).narrow(0, 0, rows).to(at::kFloat);
}

}  // namespace perennial
