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
#include "model/checkpoint/tensor_table.h"
#include "model/model_config.h"

namespace perennial {
namespace {

// Loads one tensor after the other. After the first error, which status() keeps, everything comes back undefined.
class WeightLoader {
 public:
  WeightLoader(const Checkpoint& checkpoint, at::ScalarType dtype, at::Device device)
      : checkpoint_(checkpoint), config_(checkpoint.config()), dtype_(dtype), device_(device) {}

  const absl::Status& status() const { return status_; }

  NetworkWeights LoadAll() {
    NetworkWeights weights;
    weights.embedding = ToDevice(Read("embed_tokens.weight", {config_.vocab_size, config_.hidden_size}, dtype_));
    for (int32_t index = 0; index < config_.num_layers && status_.ok(); ++index) {
      weights.layers.push_back(LoadLayer(absl::StrCat("layers.", index, ".")));
    }
    weights.output_norm = LoadNorm("norm");
    if (config_.tied_embeddings) {
      weights.output.matrix = weights.embedding;
    } else {
      weights.output = LoadLinear("lm_head", config_.vocab_size, config_.hidden_size, config_.output_bias);
    }
    return weights;
  }

 private:
  // One tensor, finite in `type`, on the host.
  at::Tensor Read(const std::string& name, const std::vector<int64_t>& shape, at::ScalarType type) {
    if (!status_.ok()) return {};
    const absl::StatusOr<TensorView> view = checkpoint_.Tensor(name, shape);
    if (!view.ok()) {
      status_ = view.status();
      return {};
    }
    at::Tensor tensor = at::empty(shape, at::kFloat);
    Dequantize(*view, absl::MakeSpan(tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())));
    tensor = tensor.to(type);  // which may have no number for a value that the file holds
    if (!at::isfinite(tensor).all().item<bool>()) {
      status_ = absl::InvalidArgumentError(absl::StrCat(
          checkpoint_.path(), ": tensor ", view->name, " (", TensorTypeName(view->type),
          ") holds NaN or infinite values as ", c10::toString(type), "; the file is damaged or needs a wider type"));
      return {};
    }
    return tensor;
  }

  at::Tensor ToDevice(const at::Tensor& tensor) const { return tensor.defined() ? tensor.to(device_) : tensor; }

  NormWeights LoadNorm(const std::string& name) {
    NormWeights norm;
    norm.weight = Read(absl::StrCat(name, ".weight"), {config_.hidden_size}, at::kFloat);
    if (norm.weight.defined() && config_.norm_adds_one) norm.weight.add_(1.0);
    norm.weight = ToDevice(norm.weight);
    if (config_.norm_bias) norm.bias = ToDevice(Read(absl::StrCat(name, ".bias"), {config_.hidden_size}, at::kFloat));
    return norm;
  }

  LinearWeights LoadLinear(const std::string& name, int64_t rows, int64_t columns, bool has_bias) {
    LinearWeights linear;
    linear.matrix = ToDevice(Read(absl::StrCat(name, ".weight"), {rows, columns}, dtype_));
    if (has_bias) linear.bias = ToDevice(Read(absl::StrCat(name, ".bias"), {rows}, dtype_));
    return linear;
  }

  // Rows [heads * head_size, …] of a checkpoint whose neighbouring rows rotate together, put into halves.
  at::Tensor InHalves(const at::Tensor& rows) const {
    if (config_.rope_layout == RopeLayout::kHalves || config_.rotary_size == 0) return rows;
    const int64_t rotary = config_.rotary_size;
    const at::Tensor heads = rows.view({-1, config_.head_size, rows.numel() / rows.size(0)});
    const at::Tensor rotating = heads.narrow(1, 0, rotary);
    // [heads, pairs, 2, …] -> [heads, 2, pairs, …]
    const at::Tensor halves =
        rotating.reshape({heads.size(0), rotary / 2, 2, -1}).transpose(1, 2).reshape(rotating.sizes());
    return at::cat({halves, heads.narrow(1, rotary, config_.head_size - rotary)}, 1).view(rows.sizes());
  }

  // All rows of the queries, keys and values from one fused tensor.
  at::Tensor Ungroup(const at::Tensor& fused) const {
    const int64_t kv_heads = config_.num_kv_heads;
    const int64_t group = config_.num_heads / kv_heads;
    const at::Tensor groups = fused.view({kv_heads, group + 2, config_.head_size, fused.numel() / fused.size(0)});
    std::vector<int64_t> shape = fused.sizes().vec();
    std::vector<at::Tensor> parts;
    const auto take = [&](int64_t first, int64_t count) {
      shape[0] = kv_heads * count * config_.head_size;
      parts.push_back(groups.narrow(1, first, count).reshape(shape));
    };
    take(0, group);
    take(group, 1);
    take(group + 1, 1);
    return at::cat({InHalves(parts[0]), InHalves(parts[1]), parts[2]});
  }

  // `kind`: ".weight" with its columns, or ".bias" with none.
  at::Tensor ReadQueryKeyValue(const std::string& attention, const std::string& kind, std::vector<int64_t> shape) {
    const int64_t query_rows = int64_t{config_.num_heads} * config_.head_size;
    const int64_t key_rows = int64_t{config_.num_kv_heads} * config_.head_size;
    const auto read = [&](const char* name, int64_t rows) {
      shape[0] = rows;
      return Read(absl::StrCat(attention, name, kind), shape, dtype_);
    };
    if (config_.qkv_layout == QkvLayout::kSeparate) {
      const at::Tensor query = read("q_proj", query_rows);
      const at::Tensor key = read("k_proj", key_rows);
      const at::Tensor value = read("v_proj", key_rows);
      return status_.ok() ? at::cat({InHalves(query), InHalves(key), value}) : at::Tensor();
    }
    const at::Tensor fused = read("qkv_proj", query_rows + 2 * key_rows);
    if (!status_.ok()) return {};
    if (config_.qkv_layout == QkvLayout::kGrouped) return Ungroup(fused);
    return at::cat({InHalves(fused.narrow(0, 0, query_rows)), InHalves(fused.narrow(0, query_rows, key_rows)),
                    fused.narrow(0, query_rows + key_rows, key_rows)});
  }

  LinearWeights LoadQueryKeyValue(const std::string& attention) {
    LinearWeights linear;
    linear.matrix = ToDevice(ReadQueryKeyValue(attention, ".weight", {0, config_.hidden_size}));
    if (config_.qkv_bias) linear.bias = ToDevice(ReadQueryKeyValue(attention, ".bias", {0}));
    return linear;
  }

  // A row for every head: its own, or a copy of the one that they share.
  at::Tensor LoadHeadNorms(const std::string& attention) {
    std::vector<at::Tensor> rows;
    const auto read = [&](const std::string& name, int32_t heads) {
      if (!config_.head_norms_differ) {
        const at::Tensor shared = Read(absl::StrCat(attention, name, "_norm.weight"), {config_.head_size}, at::kFloat);
        for (int32_t head = 0; head < heads; ++head) rows.push_back(shared);
        return;
      }
      for (int32_t head = 0; head < heads; ++head) {
        rows.push_back(
            Read(absl::StrCat(attention, name, "_layernorm.norms.", head, ".weight"), {config_.head_size}, at::kFloat));
      }
    };
    read("q", config_.num_heads);
    read("k", config_.num_kv_heads);
    if (!status_.ok()) return {};
    const at::Tensor norms = at::cat(rows).view({-1, config_.head_size});
    return ToDevice(config_.norm_adds_one ? norms.add(1.0) : norms);
  }

  LinearWeights LoadGateUp(const std::string& feed_forward) {
    const int64_t rows = config_.feed_forward_size;
    const bool bias = config_.feed_forward_bias;
    if (!config_.gated) return LoadLinear(feed_forward + "up_proj", rows, config_.hidden_size, bias);
    if (config_.fused_gate_up) return LoadLinear(feed_forward + "gate_up_proj", 2 * rows, config_.hidden_size, bias);
    const LinearWeights gate = LoadLinear(feed_forward + "gate_proj", rows, config_.hidden_size, bias);
    const LinearWeights up = LoadLinear(feed_forward + "up_proj", rows, config_.hidden_size, bias);
    if (!status_.ok()) return {};
    LinearWeights joined;
    joined.matrix = at::cat({gate.matrix, up.matrix});
    if (bias) joined.bias = at::cat({gate.bias, up.bias});
    return joined;
  }

  LayerWeights LoadLayer(const std::string& layer) {
    const std::string attention = layer + "self_attn.";
    const std::string feed_forward = layer + "mlp.";
    const int64_t query_rows = int64_t{config_.num_heads} * config_.head_size;
    LayerWeights weights;
    weights.attention_norm = LoadNorm(layer + "input_layernorm");
    weights.query_key_value = LoadQueryKeyValue(attention);
    if (config_.head_norms) weights.head_norms = LoadHeadNorms(attention);
    weights.attention_out =
        LoadLinear(attention + "o_proj", config_.hidden_size, query_rows, config_.attention_out_bias);
    if (config_.block == BlockShape::kSandwich) {
      weights.attention_out_norm = LoadNorm(layer + "post_attention_layernorm");
      weights.feed_forward_out_norm = LoadNorm(layer + "post_feedforward_layernorm");
    }
    if (config_.block != BlockShape::kParallelOneNorm) {
      weights.feed_forward_norm = LoadNorm(absl::StrCat(layer, FeedForwardNormName(config_.block)));
    }
    weights.gate_up = LoadGateUp(feed_forward);
    weights.down = LoadLinear(feed_forward + "down_proj", config_.hidden_size, config_.feed_forward_size,
                              config_.feed_forward_bias);
    return weights;
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  const at::ScalarType dtype_;
  const at::Device device_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<NetworkWeights> LoadNetworkWeights(const Checkpoint& checkpoint, at::ScalarType dtype,
                                                  at::Device device) {
  WeightLoader loader(checkpoint, dtype, device);
  NetworkWeights weights = loader.LoadAll();
  if (!loader.status().ok()) return loader.status();
  return weights;
}

}  // namespace perennial
