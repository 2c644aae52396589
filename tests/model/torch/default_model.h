// The default model (from `./dev setup`) and the distance between two distributions over its tokens, for the tests that
// compare it with other software or other number types.

#ifndef PERENNIAL_TESTS_MODEL_TORCH_DEFAULT_MODEL_H_
#define PERENNIAL_TESTS_MODEL_TORCH_DEFAULT_MODEL_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "model/checkpoint/checkpoint.h"
#include "model/model_runner.h"
#include "model/torch/torch_model_runner.h"
#include "tests/model/torch/test_device.h"

namespace perennial {

inline constexpr char kDefaultModel[] = PERENNIAL_SOURCE_DIR "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf";

// The checkpoint, or nullptr and a failure of the test that says what to do.
inline std::unique_ptr<Checkpoint> OpenDefaultModel() {
  auto checkpoint = Checkpoint::Open(kDefaultModel);
  if (checkpoint.ok()) return *std::move(checkpoint);
  ADD_FAILURE() << checkpoint.status() << " (./dev setup fetches it)";
  return nullptr;
}

// A runner on the tests' device with cache memory for a few hundred tokens, or nullptr and a failure of the test.
inline std::unique_ptr<ModelRunner> MakeDefaultModelRunner(const Checkpoint& checkpoint, const std::string& dtype) {
  TorchOptions options;
  options.device = TestDevice();
  options.dtype = dtype;
  options.cache_memory_bytes = int64_t{64} << 20;
  auto runner = CreateTorchModelRunner(checkpoint, options);
  if (runner.ok()) return *std::move(runner);
  ADD_FAILURE() << runner.status();
  return nullptr;
}

// log(softmax(logits)), in double. [vocab_size] of both.
inline std::vector<double> LogProbabilities(absl::Span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  std::vector<double> result(logits.begin(), logits.end());
  for (double& value : result) value -= largest + std::log(sum);
  return result;
}

// The `count` tokens of the highest values, highest first.
inline std::vector<TokenId> HighestTokens(absl::Span<const double> values, size_t count) {
  std::vector<TokenId> tokens(values.size());
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<TokenId>(i);
  const auto middle = tokens.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(tokens.begin(), middle, tokens.end(), [&](TokenId a, TokenId b) {
    return values[static_cast<size_t>(a)] > values[static_cast<size_t>(b)];
  });
  tokens.erase(middle, tokens.end());
  return tokens;
}

// How far apart pairs of log-probabilities lie, in nats. A value that is not a number makes `largest` infinite.
class Distance {
 public:
  void Add(double a, double b) {
    const double difference = std::fabs(a - b);
    largest_ = difference <= largest_ ? largest_ : std::isfinite(difference) ? difference : INFINITY;
    sum_ += difference;
    ++count_;
  }

  double largest() const { return largest_; }
  double mean() const { return sum_ / static_cast<double>(count_); }
  int64_t count() const { return count_; }

 private:
  double largest_ = 0.0;
  double sum_ = 0.0;
  int64_t count_ = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_TORCH_DEFAULT_MODEL_H_
