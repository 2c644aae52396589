// The cases of tests/golden/families as checkpoints: the bytes of real files, made in memory from the formula, read by
// the real readers.

#ifndef PERENNIAL_TESTS_MODEL_TORCH_GOLDEN_FAMILY_H_
#define PERENNIAL_TESTS_MODEL_TORCH_GOLDEN_FAMILY_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/checkpoint/checkpoint.h"
#include "tests/model/torch/golden_stream.h"

namespace perennial {

// A tensor of a case, under the name that it has in model.safetensors.
struct GoldenTensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;
};

// A checkpoint and the file that it views.
struct GoldenCheckpoint {
  std::unique_ptr<std::string> file;
  std::unique_ptr<Checkpoint> checkpoint;
};

// logits/NAME.json, and the names of all of them.
nlohmann::json ReadGoldenFamily(const std::string& name);
std::vector<std::string> GoldenFamilyNames();

// The tensors by the formula; those named by `zero` (a list of names, or null) are zero.
std::vector<GoldenTensor> GoldenTensors(const nlohmann::json& golden, const nlohmann::json& zero = {});

// A Hugging Face directory of this config.json and these tensors. `dtype`: "F32", or "F16" with rounded values.
GoldenCheckpoint MakeHuggingFaceCheckpoint(const nlohmann::json& config, const std::vector<GoldenTensor>& tensors,
                                           const std::string& dtype = "F32");

// The largest difference between a runner's logits and the golden rows: of the prompt, fed in chunks, …
float PromptDifference(ModelRunner& runner, const nlohmann::json& golden, size_t chunk);
// … and of each turn's last token, the turns fed one after the other.
float TurnsDifference(ModelRunner& runner, const nlohmann::json& golden);

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_TORCH_GOLDEN_FAMILY_H_
