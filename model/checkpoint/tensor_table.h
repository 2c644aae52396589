// The tensors of a checkpoint under their canonical names, and what a network needs of them.

#ifndef PERENNIAL_MODEL_CHECKPOINT_TENSOR_TABLE_H_
#define PERENNIAL_MODEL_CHECKPOINT_TENSOR_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/tensor.h"
#include "model/model_config.h"

namespace perennial {

// Canonical name → view. Filled once by a reader, then immutable and thread-safe. The bytes belong to the reader's
// file.
class TensorTable {
 public:
  // INVALID_ARGUMENT if the canonical name is taken: two names in the file mean the same tensor.
  absl::Status Add(absl::string_view canonical_name, TensorView view);

  // REQUIRES: there is one.
  void Remove(absl::string_view canonical_name);

  // nullptr if there is none.
  const TensorView* Find(absl::string_view canonical_name) const;

  // NOT_FOUND if missing, INVALID_ARGUMENT if the shape differs.
  absl::StatusOr<TensorView> Get(absl::string_view canonical_name, const std::vector<int64_t>& expected_shape) const;

  size_t size() const { return tensors_.size(); }
  const absl::flat_hash_map<std::string, TensorView>& tensors() const { return tensors_; }

 private:
  absl::flat_hash_map<std::string, TensorView> tensors_;
};

// One tensor that a network needs.
struct TensorNeed {
  std::string canonical_name;
  std::vector<int64_t> shape;
};

// The norm before the feed-forward: Llama's name, or Gemma's where that one is the norm behind the attention. REQUIRES:
// the block has one.
absl::string_view FeedForwardNormName(BlockShape block);

// Every tensor of a network with this configuration, in the order in which they are used.
// REQUIRES: ValidateModelConfig(config) is OK.
std::vector<TensorNeed> TensorsNeeded(const ModelConfig& config);

// NOT_FOUND or INVALID_ARGUMENT naming the first tensor that is missing or has another shape. UNIMPLEMENTED naming a
// tensor that such a network does not have: computed without it, it would talk nonsense, so it is refused.
absl::Status CheckTensors(const ModelConfig& config, const TensorTable& tensors);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_TENSOR_TABLE_H_
