// A checkpoint made in memory: any configuration, weights by a formula that tests/golden/logits/formula_weights.py
// repeats, so that golden logits of many small models need no weight files.

#ifndef PERENNIAL_TESTS_MODEL_TORCH_FORMULA_CHECKPOINT_H_
#define PERENNIAL_TESTS_MODEL_TORCH_FORMULA_CHECKPOINT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/checkpoint.h"
#include "model/model_config.h"

namespace perennial {

// A number in [-1, 1) from a hash of both.
double FormulaUniform(absl::string_view name, int64_t index);

// The value of element `index` of tensor `name`: uniform, from a hash of both. Norms lie around 1, biases in ±0.5,
// matrices are scaled by the square root of their columns.
float FormulaWeight(absl::string_view name, const std::vector<int64_t>& shape, int64_t index);

// A small grouped-query model, float32: 2 layers, 4 heads on 2 key heads of size 16, vocabulary of 64.
ModelConfig SmallConfig();

class FormulaCheckpoint final : public Checkpoint {
 public:
  explicit FormulaCheckpoint(ModelConfig config);

  // Replaces one tensor's values, which must have been asked for by nobody yet; or takes it away.
  void Set(const std::string& name, std::vector<float> values) { replaced_[name] = std::move(values); }
  void Remove(const std::string& name) { replaced_[name] = {}; }

  const ModelConfig& config() const override { return config_; }
  const TokenizerSource& tokenizer() const override { return tokenizer_; }
  const std::string& chat_template() const override { return empty_; }
  const std::string& bos_text() const override { return empty_; }
  const std::string& eos_text() const override { return empty_; }
  const GenerationDefaults& generation() const override { return generation_; }
  const std::string& path() const override { return path_; }
  absl::StatusOr<TensorView> Tensor(absl::string_view canonical_name,
                                    const std::vector<int64_t>& expected_shape) const override;

 private:
  const ModelConfig config_;
  const std::string empty_;
  const std::string path_ = "formula";
  const TokenizerSource tokenizer_;
  const GenerationDefaults generation_;
  std::map<std::string, std::vector<float>> replaced_;
  mutable std::map<std::string, std::vector<float>> values_;  // what was asked for: views point into it
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_TORCH_FORMULA_CHECKPOINT_H_
