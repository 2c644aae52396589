#include "model/torch/weights.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "model/model_config.h"

namespace perennial {
namespace {

class WeightLoader {
 public:
  WeightLoader(const Checkpoint& checkpoint, at::ScalarType dtype, at::Device device)
      : checkpoint_(checkpoint), config_(checkpoint.config()), dtype_(dtype), device_(device) {}

  // One tensor as it is used: finite, of type `dtype`, on the device. `rope_heads` > 0: the rows are that many heads
  // whose dimensions may have to be put back in order.
  absl::StatusOr<at::Tensor> Load(const std::string& name, const std::vector<int64_t>& shape, at::ScalarType dtype,
                                  int32_t rope_heads = 0) const {
    absl::StatusOr<TensorView> view = checkpoint_.Tensor(name, shape);
    if (!view.ok()) return view.status();
    at::Tensor tensor = at::empty(shape, at::kFloat);
    Dequantize(*view, absl::MakeSpan(tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())));
    if (rope_heads > 0 && config_.rope_layout == RopeLayout::kInterleaved) {
      // [heads, pairs, 2, …] -> [heads, 2, pairs, …]
      tensor = tensor.view({rope_heads, config_.head_size / 2, 2, -1}).transpose(1, 2).reshape(shape);
    }
    tensor = tensor.to(dtype);
    if (!at::isfinite(tensor).all().item<bool>()) {
      return absl::InvalidArgumentError(absl::StrCat(
          checkpoint_.path(), ": tensor ", view->name, " (", TensorTypeName(view->type),
          ") holds NaN or infinite values as ", c10::toString(dtype), "; the file is damaged or needs a wider type"));
    }
    return tensor.to(device_);
  }

  absl::StatusOr<at::Tensor> LoadNorm(const std::string& name) const {
    return Load(name, {config_.hidden_size}, at::kFloat);
  }

  // A linear layer made of one or several of the checkpoint's, one below the other.
  struct Part {
    std::string name;  // without ".weight"
    int64_t rows;
    int32_t rope_heads = 0;
  };
  absl::StatusOr<LinearWeights> LoadLinear(const std::vector<Part>& parts, int64_t columns, bool has_bias) const {
    std::vector<at::Tensor> matrices, biases;
    for (const Part& part : parts) {
      auto matrix = Load(absl::StrCat(part.name, ".weight"), {part.rows, columns}, dtype_, part.rope_heads);
      if (!matrix.ok()) return matrix.status();
      matrices.push_back(*std::move(matrix));
      if (!has_bias) continue;
      auto bias = Load(absl::StrCat(part.name, ".bias"), {part.rows}, dtype_, part.rope_heads);
      if (!bias.ok()) return bias.status();
      biases.push_back(*std::move(bias));
    }
    LinearWeights linear;
    linear.matrix = matrices.size() == 1 ? matrices[0] : at::cat(matrices);
    if (has_bias) linear.bias = biases.size() == 1 ? biases[0] : at::cat(biases);
    return linear;
  }

  absl::StatusOr<LayerWeights> LoadLayer(int32_t index) const {
    const std::string layer = absl::StrCat("layers.", index, ".");
    const std::string attention = absl::StrCat(layer, "self_attn.");
    const std::string feed_forward = absl::StrCat(layer, "mlp.");
    const int64_t query_rows = int64_t{config_.num_heads} * config_.head_size;
    const int64_t key_rows = int64_t{config_.num_kv_heads} * config_.head_size;

    auto attention_norm = LoadNorm(absl::StrCat(layer, "input_layernorm.weight"));
    if (!attention_norm.ok()) return attention_norm.status();
    auto query_key_value = LoadLinear({{attention + "q_proj", query_rows, config_.num_heads},
                                       {attention + "k_proj", key_rows, config_.num_kv_heads},
                                       {attention + "v_proj", key_rows}},
                                      config_.hidden_size, config_.attention_bias);
    if (!query_key_value.ok()) return query_key_value.status();
    auto attention_out = LoadLinear({{attention + "o_proj", config_.hidden_size}}, query_rows, config_.attention_bias);
    if (!attention_out.ok()) return attention_out.status();
    auto feed_forward_norm = LoadNorm(absl::StrCat(layer, "post_attention_layernorm.weight"));
    if (!feed_forward_norm.ok()) return feed_forward_norm.status();
    auto gate_up = LoadLinear({{feed_forward + "gate_proj", config_.feed_forward_size},
                               {feed_forward + "up_proj", config_.feed_forward_size}},
                              config_.hidden_size, config_.feed_forward_bias);
    if (!gate_up.ok()) return gate_up.status();
    auto down = LoadLinear({{feed_forward + "down_proj", config_.hidden_size}}, config_.feed_forward_size,
                           config_.feed_forward_bias);
    if (!down.ok()) return down.status();
    return LayerWeights{*std::move(attention_norm),    *std::move(query_key_value), *std::move(attention_out),
                        *std::move(feed_forward_norm), *std::move(gate_up),         *std::move(down)};
  }

  absl::StatusOr<LlamaWeights> LoadAll() const {
    LlamaWeights weights;
    auto embedding = Load("embed_tokens.weight", {config_.vocab_size, config_.hidden_size}, dtype_);
    if (!embedding.ok()) return embedding.status();
    weights.embedding = *std::move(embedding);
    for (int32_t index = 0; index < config_.num_layers; ++index) {
      auto layer = LoadLayer(index);
      if (!layer.ok()) return layer.status();
      weights.layers.push_back(*std::move(layer));
    }
    auto output_norm = LoadNorm("norm.weight");
    if (!output_norm.ok()) return output_norm.status();
    weights.output_norm = *std::move(output_norm);
    if (config_.tied_embeddings) {
      weights.output = weights.embedding;
      return weights;
    }
    auto output = Load("lm_head.weight", {config_.vocab_size, config_.hidden_size}, dtype_);
    if (!output.ok()) return output.status();
    weights.output = *std::move(output);
    return weights;
  }

 private:
  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  const at::ScalarType dtype_;
  const at::Device device_;
};

}  // namespace

absl::StatusOr<LlamaWeights> LoadLlamaWeights(const Checkpoint& checkpoint, at::ScalarType dtype, at::Device device) {
  return WeightLoader(checkpoint, dtype, device).LoadAll();
}

}  // namespace perennial
