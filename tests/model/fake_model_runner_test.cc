#include "tests/fake_model_runner.h"

#include "tests/model/model_runner_contract.h"

namespace perennial {
namespace {

std::unique_ptr<ModelRunner> MakeFake(int64_t cache_tokens) {
  FakeOptions options;
  options.vocab_size = 32;
  options.max_tokens_per_step = 64;
  options.max_cache_tokens = 128;
  options.cache_memory_bytes = cache_tokens * FakeModelRunner::kRowBytes;
  return std::make_unique<FakeModelRunner>(std::move(options));
}

INSTANTIATE_TEST_SUITE_P(Fake, ModelRunnerContract,
                         ::testing::Values(RunnerUnderTest{.name = "fake", .tolerance = 0.0f, .make = MakeFake}),
                         RunnerName);

}  // namespace
}  // namespace perennial
