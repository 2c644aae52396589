#include "model/checkpoint/tensor_table.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "model/checkpoint/error_text.h"

namespace perennial {
namespace {

// Collects the tensors of a network.
class NeedList {
 public:
  explicit NeedList(const ModelConfig& config) : config_(config) {}

  void Add(std::string name, std::vector<int64_t> shape) { needs_.push_back({std::move(name), std::move(shape)}); }

  void AddNorm(const std::string& name) {
    Add(name + ".weight", {config_.hidden_size});
    if (config_.norm_bias) Add(name + ".bias", {config_.hidden_size});
  }

  void AddLinear(const std::string& name, int64_t out, int64_t in, bool bias) {
    Add(name + ".weight", {out, in});
    if (bias) Add(name + ".bias", {out});
  }

  void AddLayer(const std::string& layer) {
    AddNorm(layer + "input_layernorm");
    AddAttention(layer + "self_attn.");
    if (config_.block == BlockShape::kSandwich) AddNorm(layer + "post_attention_layernorm");
    if (config_.block != BlockShape::kParallelOneNorm) {
      AddNorm(absl::StrCat(layer, FeedForwardNormName(config_.block)));
    }
    AddFeedForward(layer + "mlp.");
    if (config_.block == BlockShape::kSandwich) AddNorm(layer + "post_feedforward_layernorm");
  }

  std::vector<TensorNeed> Take() { return std::move(needs_); }

 private:
  void AddAttention(const std::string& attention) {
    const int64_t hidden = config_.hidden_size;
    const int64_t query = int64_t{config_.num_heads} * config_.head_size;
    const int64_t key_value = int64_t{config_.num_kv_heads} * config_.head_size;
    if (config_.qkv_layout == QkvLayout::kSeparate) {
      AddLinear(attention + "q_proj", query, hidden, config_.qkv_bias);
      AddLinear(attention + "k_proj", key_value, hidden, config_.qkv_bias);
      AddLinear(attention + "v_proj", key_value, hidden, config_.qkv_bias);
    } else {
      AddLinear(attention + "qkv_proj", query + 2 * key_value, hidden, config_.qkv_bias);
    }
    if (config_.head_norms) AddHeadNorms(attention);
    AddLinear(attention + "o_proj", hidden, query, config_.attention_out_bias);
  }

  void AddHeadNorms(const std::string& attention) {
    for (const auto& [name, heads] : {std::pair("q", config_.num_heads), std::pair("k", config_.num_kv_heads)}) {
      if (!config_.head_norms_differ) {
        Add(absl::StrCat(attention, name, "_norm.weight"), {config_.head_size});
        continue;
      }
      for (int32_t head = 0; head < heads; ++head) {
        Add(absl::StrCat(attention, name, "_layernorm.norms.", head, ".weight"), {config_.head_size});
      }
    }
  }

  void AddFeedForward(const std::string& feed_forward) {
    const int64_t hidden = config_.hidden_size;
    const int64_t size = config_.feed_forward_size;
    const bool bias = config_.feed_forward_bias;
    if (config_.fused_gate_up) {
      AddLinear(feed_forward + "gate_up_proj", 2 * size, hidden, bias);
    } else {
      if (config_.gated) AddLinear(feed_forward + "gate_proj", size, hidden, bias);
      AddLinear(feed_forward + "up_proj", size, hidden, bias);
    }
    AddLinear(feed_forward + "down_proj", hidden, size, bias);
  }

  const ModelConfig& config_;
  std::vector<TensorNeed> needs_;
};

}  // namespace

absl::Status TensorTable::Add(absl::string_view canonical_name, TensorView view) {
  const auto [entry, added] = tensors_.try_emplace(canonical_name);
  if (!added) {
    return absl::InvalidArgumentError(absl::StrCat("tensors ", Quoted(entry->second.name), " and ", Quoted(view.name),
                                                   " both mean ", Quoted(entry->first)));
  }
  entry->second = std::move(view);
  return absl::OkStatus();
}

void TensorTable::Remove(absl::string_view canonical_name) {
  const auto found = tensors_.find(canonical_name);
  PERENNIAL_CHECK(found != tensors_.end());
  tensors_.erase(found);
}

const TensorView* TensorTable::Find(absl::string_view canonical_name) const {
  const auto found = tensors_.find(canonical_name);
  return found == tensors_.end() ? nullptr : &found->second;
}

absl::StatusOr<TensorView> TensorTable::Get(absl::string_view canonical_name,
                                            const std::vector<int64_t>& expected_shape) const {
  const TensorView* const found = Find(canonical_name);
  if (found == nullptr) return absl::NotFoundError(absl::StrCat("tensor ", Quoted(canonical_name), " is missing"));
  if (found->shape != expected_shape) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", Quoted(found->name), " has shape ",
                                                   ShapeText(found->shape), "; the configuration needs ",
                                                   ShapeText(expected_shape)));
  }
  return *found;
}

absl::string_view FeedForwardNormName(BlockShape block) {
  return block == BlockShape::kSandwich ? "pre_feedforward_layernorm" : "post_attention_layernorm";
}

std::vector<TensorNeed> TensorsNeeded(const ModelConfig& config) {
  NeedList list(config);
  list.Add("embed_tokens.weight", {config.vocab_size, config.hidden_size});
  for (int32_t layer = 0; layer < config.num_layers; ++layer) list.AddLayer(absl::StrCat("layers.", layer, "."));
  list.AddNorm("norm");
  if (!config.tied_embeddings) list.AddLinear("lm_head", config.vocab_size, config.hidden_size, config.output_bias);
  return list.Take();
}

absl::Status CheckTensors(const ModelConfig& config, const TensorTable& tensors) {
  // Before their names are made: a few bytes of configuration can ask for millions.
  const int64_t per_layer = config.head_norms_differ ? int64_t{config.num_heads} + config.num_kv_heads : 1;
  const int64_t least = config.num_layers * per_layer;
  if (const int64_t count = static_cast<int64_t>(tensors.tensors().size()); count < least) {
    return absl::NotFoundError(
        absl::StrCat("the file has ", count, " tensors; its configuration needs more than ", least));
  }
  absl::flat_hash_set<std::string> known;
  for (const TensorNeed& need : TensorsNeeded(config)) {
    const absl::StatusOr<TensorView> found = tensors.Get(need.canonical_name, need.shape);
    if (!found.ok()) return found.status();
    known.insert(need.canonical_name);
  }
  // A tied checkpoint may still carry a copy of the embedding as its output matrix.
  known.insert("lm_head.weight");
  std::string first_unknown;  // the same one whatever the table's order
  for (const auto& [name, view] : tensors.tensors()) {
    if (!known.contains(name) && (first_unknown.empty() || name < first_unknown)) first_unknown = name;
  }
  if (first_unknown.empty()) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("tensor ", Quoted(tensors.Find(first_unknown)->name),
                                               " is not part of a ", config.architecture, " network with ",
                                               config.num_layers, " layers; this variant is not supported"));
}

}  // namespace perennial
