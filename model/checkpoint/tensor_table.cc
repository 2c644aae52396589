#include "model/checkpoint/tensor_table.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "model/checkpoint/error_text.h"

namespace perennial {

absl::Status TensorTable::Add(std::string canonical_name, TensorView view) {
  const auto [entry, added] = tensors_.try_emplace(std::move(canonical_name));
  if (!added) {
    return absl::InvalidArgumentError(absl::StrCat("tensors ", Quoted(entry->second.name), " and ", Quoted(view.name),
                                                   " both mean ", Quoted(entry->first)));
  }
  entry->second = std::move(view);
  return absl::OkStatus();
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

std::vector<TensorNeed> TensorsNeeded(const ModelConfig& config) {
  const int64_t hidden = config.hidden_size;
  const int64_t query = int64_t{config.num_heads} * config.head_size;
  const int64_t key_value = int64_t{config.num_kv_heads} * config.head_size;
  const int64_t feed_forward = config.feed_forward_size;

  std::vector<TensorNeed> needs;
  const auto linear = [&needs](const std::string& name, int64_t out, int64_t in, bool bias) {
    needs.push_back({absl::StrCat(name, ".weight"), {out, in}});
    if (bias) needs.push_back({absl::StrCat(name, ".bias"), {out}});
  };
  needs.push_back({"embed_tokens.weight", {config.vocab_size, hidden}});
  for (int32_t layer = 0; layer < config.num_layers; ++layer) {
    const std::string prefix = absl::StrCat("layers.", layer, ".");
    needs.push_back({prefix + "input_layernorm.weight", {hidden}});
    linear(prefix + "self_attn.q_proj", query, hidden, config.attention_bias);
    linear(prefix + "self_attn.k_proj", key_value, hidden, config.attention_bias);
    linear(prefix + "self_attn.v_proj", key_value, hidden, config.attention_bias);
    linear(prefix + "self_attn.o_proj", hidden, query, config.attention_bias);
    needs.push_back({prefix + "post_attention_layernorm.weight", {hidden}});
    linear(prefix + "mlp.gate_proj", feed_forward, hidden, config.feed_forward_bias);
    linear(prefix + "mlp.up_proj", feed_forward, hidden, config.feed_forward_bias);
    linear(prefix + "mlp.down_proj", hidden, feed_forward, config.feed_forward_bias);
  }
  needs.push_back({"norm.weight", {hidden}});
  if (!config.tied_embeddings) needs.push_back({"lm_head.weight", {config.vocab_size, hidden}});
  return needs;
}

absl::Status CheckTensors(const ModelConfig& config, const TensorTable& tensors) {
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
                                               " is not part of the Llama family's networks with ", config.num_layers,
                                               " layers; this variant is not supported"));
}

}  // namespace perennial
