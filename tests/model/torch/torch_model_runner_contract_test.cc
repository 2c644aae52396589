// The contract of every ModelRunner, kept by the torch runner on a small random model.

#include <memory>
#include <utility>
#include <vector>

#include "model/torch/torch_model_runner.h"
#include "tests/model/model_runner_contract.h"
#include "tests/model/torch/formula_checkpoint.h"
#include "tests/model/torch/test_device.h"

namespace perennial {
namespace {

std::unique_ptr<ModelRunner> MakeRunner(const std::string& dtype, int64_t cache_tokens) {
  const ModelConfig config = SmallConfig();
  TorchOptions options;
  options.device = TestDevice();
  options.dtype = dtype;
  options.num_threads = 1;
  options.max_tokens_per_step = 512;
  const int64_t element = dtype == "float32" ? 4 : 2;
  options.cache_memory_bytes = cache_tokens * 2 * config.num_layers * config.num_kv_heads * config.head_size * element;
  auto runner = CreateTorchModelRunner(FormulaCheckpoint(config), options);
  return runner.ok() ? *std::move(runner) : nullptr;
}

INSTANTIATE_TEST_SUITE_P(
    Torch, ModelRunnerContract,
    ::testing::Values(RunnerUnderTest{.name = "Float32",
                                      .tolerance = 1e-4f,
                                      .make = [](int64_t tokens) { return MakeRunner("float32", tokens); }},
                      // Logits up to 4, of a type with 8 bits.
                      RunnerUnderTest{.name = "Bfloat16",
                                      .tolerance = 0.1f,
                                      .make = [](int64_t tokens) { return MakeRunner("bfloat16", tokens); }}),
    RunnerName);

}  // namespace
}  // namespace perennial
