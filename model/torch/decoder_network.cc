#include "model/torch/decoder_network.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace perennial {
namespace {

ScoreRule MakeScoreRule(const ModelConfig& config, at::Device device) {
  ScoreRule rule;
  rule.scale = config.attention_scale.value_or(1.0 / std::sqrt(static_cast<double>(config.head_size)));
  rule.softcap = config.attention_softcap;
  rule.zero_sink = config.zero_sink;
  if (!config.alibi_slopes.empty()) {
    const at::Tensor slopes = at::tensor(config.alibi_slopes, at::kFloat).to(device);
    rule.slopes = slopes.view({config.num_kv_heads, -1, 1, 1});
  }
  return rule;
}

}  // namespace

DecoderNetwork::DecoderNetwork(const ModelConfig& config, NetworkWeights weights)
    : config_(config),
      embedding_(std::move(weights.embedding)),
      output_norm_(std::move(weights.output_norm)),
      output_(weights.output),
      score_rule_(MakeScoreRule(config, embedding_.device())) {
  if (config.rotary_size > 0) {
    for (const Rope& rope : config.ropes) ropes_.push_back(ComputeRopeFrequencies(rope, config.rotary_size));
  }
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    LayerWeights& layer = weights.layers[i];
    const LayerView view = config.layer(static_cast<int32_t>(i));
    layers_.push_back({layer.attention_norm, Linear(layer.query_key_value), layer.head_norms,
                       Linear(layer.attention_out), layer.attention_out_norm, layer.feed_forward_norm,
                       Linear(layer.gate_up), Linear(layer.down), layer.feed_forward_out_norm,
                       ViewIndex(view.window_tokens), static_cast<size_t>(view.rope)});
    layer = {};  // what was packed is freed before the next layer is
  }
}

size_t DecoderNetwork::ViewIndex(int32_t window_tokens) {
  const PlanOptions view = {.layer_window = window_tokens, .distances = !config_.alibi_slopes.empty()};
  const auto found = std::find(views_.begin(), views_.end(), view);
  if (found != views_.end()) return static_cast<size_t>(found - views_.begin());
  views_.push_back(view);
  return views_.size() - 1;
}

at::Tensor DecoderNetwork::Normalize(const at::Tensor& rows, const NormWeights& norm) const {
  if (config_.norm == NormKind::kLayer) {
    return at::layer_norm(rows, {config_.hidden_size}, norm.weight, norm.bias, config_.norm_epsilon);
  }
  const at::Tensor inverse = rows.square().mean({-1}, /*keepdim=*/true).add_(config_.norm_epsilon).rsqrt_();
  return at::mul(rows, inverse).mul_(norm.weight);
}

at::Tensor DecoderNetwork::NormalizeHeads(const at::Tensor& heads, const at::Tensor& weights) const {
  if (config_.norm == NormKind::kLayer) {
    return at::layer_norm(heads, {config_.head_size}, {}, {}, config_.norm_epsilon).mul_(weights);
  }
  const at::Tensor inverse = heads.square().mean({-1}, /*keepdim=*/true).add_(config_.norm_epsilon).rsqrt_();
  return at::mul(heads, inverse).mul_(weights);
}

AttentionRows DecoderNetwork::ProjectRows(const at::Tensor& normalized, const Layer& layer,
                                          const StepTensors& step) const {
  const int64_t rows = step.tokens.size(0);
  const int64_t heads = config_.num_heads;
  const int64_t kv_heads = config_.num_kv_heads;
  // [T, heads + 2 kv_heads, head_size]
  at::Tensor projected = layer.query_key_value(normalized).narrow(0, 0, rows).view({rows, -1, config_.head_size});
  if (config_.qkv_clip > 0) projected.clamp_(-config_.qkv_clip, config_.qkv_clip);
  at::Tensor queries_keys = projected.narrow(1, 0, heads + kv_heads).to(at::kFloat);
  if (layer.head_norms.defined()) queries_keys = NormalizeHeads(queries_keys, layer.head_norms);

  AttentionRows result;
  result.values = projected.narrow(1, heads + kv_heads, kv_heads);
  if (step.rotations.empty()) {
    result.queries_by_index = queries_keys.narrow(1, 0, heads);
    result.queries_by_place = result.queries_by_index;
    result.keys = queries_keys.narrow(1, heads, kv_heads).to(dtype());
    return result;
  }
  const StepRotation& rotation = step.rotations[layer.rope];
  const at::Tensor by_index = Rotate(queries_keys, rotation.index_cosines, rotation.index_sines);
  result.queries_by_index = by_index.narrow(1, 0, heads);
  result.keys = by_index.narrow(1, heads, kv_heads).to(dtype());
  if (step.needs_places) {
    result.queries_by_place = Rotate(queries_keys.narrow(1, 0, heads), rotation.place_cosines, rotation.place_sines);
  }
  return result;
}

at::Tensor DecoderNetwork::Attention(const at::Tensor& normalized, int32_t index, const StepTensors& step,
                                     KvCachePool& pool, at::Tensor& mixed) const {
  const Layer& layer = layers_[index];
  const AttentionRows rows = ProjectRows(normalized, layer, step);
  WriteCache(step.writes_before, rows, pool, index);
  for (const AttentionInput& input : step.inputs[layer.view]) {
    mixed.narrow(0, input.first_row, input.num_rows).copy_(Attend(input, rows, pool, index, score_rule_));
  }
  WriteCache(step.writes_after, rows, pool, index);
  return layer.attention_out(mixed);
}

at::Tensor DecoderNetwork::FeedForward(const at::Tensor& normalized, const Layer& layer) const {
  const at::Tensor gate_up = layer.gate_up(normalized);
  const int64_t size = config_.feed_forward_size;
  const at::Tensor gate = config_.gated ? gate_up.narrow(1, 0, size) : gate_up;
  at::Tensor activated = config_.activation == Activation::kSilu
                             ? at::silu(gate)
                             : at::gelu(gate, config_.activation == Activation::kGelu ? "none" : "tanh");
  if (config_.gated) activated.mul_(gate_up.narrow(1, size, size));
  return layer.down(activated);
}

void DecoderNetwork::AddTo(at::Tensor& hidden, const at::Tensor& computed, const NormWeights& norm) const {
  hidden.add_(norm.weight.defined() ? Normalize(computed.to(at::kFloat), norm) : computed);
}

at::Tensor DecoderNetwork::Forward(const StepTensors& step, KvCachePool& pool) const {
  const int64_t rows = step.tokens.size(0);
  const int64_t padded = PaddedRows(rows, device());  // rows in excess are zeros; only linear layers and norms see them
  at::Tensor hidden = at::zeros({padded, config_.hidden_size}, embedding_.options().dtype(at::kFloat));
  hidden.narrow(0, 0, rows).copy_(embedding_.index_select(0, step.tokens));
  if (config_.embedding_scale != 1.0) hidden.mul_(config_.embedding_scale);
  at::Tensor mixed = at::zeros({padded, int64_t{config_.num_heads} * config_.head_size}, embedding_.options());
  for (int32_t index = 0; index < config_.num_layers; ++index) {
    const Layer& layer = layers_[index];
    const at::Tensor normalized = Normalize(hidden, layer.attention_norm).to(dtype());
    const at::Tensor attended = Attention(normalized, index, step, pool, mixed);
    switch (config_.block) {
      case BlockShape::kSequential:
      case BlockShape::kSandwich:
        AddTo(hidden, attended, layer.attention_out_norm);
        AddTo(hidden, FeedForward(Normalize(hidden, layer.feed_forward_norm).to(dtype()), layer),
              layer.feed_forward_out_norm);
        break;
      case BlockShape::kParallelOneNorm:
        hidden.add_(attended).add_(FeedForward(normalized, layer));
        break;
      case BlockShape::kParallelTwoNorms: {
        const at::Tensor computed = FeedForward(Normalize(hidden, layer.feed_forward_norm).to(dtype()), layer);
        hidden.add_(attended).add_(computed);
        break;
      }
    }
  }
  return hidden.narrow(0, 0, rows);
}

at::Tensor DecoderNetwork::Logits(const at::Tensor& hidden) const {
  const int64_t rows = hidden.size(0);
  at::Tensor padded = at::zeros({PaddedRows(rows, device()), config_.hidden_size}, hidden.options());
  padded.narrow(0, 0, rows).copy_(hidden);
  at::Tensor logits = output_(Normalize(padded, output_norm_).to(dtype())).narrow(0, 0, rows).to(at::kFloat);
  if (config_.output_softcap > 0) {
    logits = logits.div(config_.output_softcap).tanh_().mul_(config_.output_softcap);
  }
  return logits;
}

}  // namespace perennial
