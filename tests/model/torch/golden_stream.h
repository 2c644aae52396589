// Playing golden JSON cases through a runner, shared by the tests that compare logits.

#ifndef PERENNIAL_TESTS_MODEL_TORCH_GOLDEN_STREAM_H_
#define PERENNIAL_TESTS_MODEL_TORCH_GOLDEN_STREAM_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "model/model_runner.h"
#include "model/torch/torch_model_runner.h"
#include "tests/model/torch/formula_checkpoint.h"
#include "tests/model/torch/test_device.h"

namespace perennial {

inline nlohmann::json ReadGolden(const std::string& file) {
  std::ifstream stream(std::string(PERENNIAL_SOURCE_DIR "/tests/golden/logits/") + file);
  return nlohmann::json::parse(stream);
}

// A float32 runner of `checkpoint` on the tests' device, with room for a few hundred tokens. Ends the test program if
// that fails.
inline std::unique_ptr<ModelRunner> MakeSmallRunner(const Checkpoint& checkpoint, const std::string& dtype = "float32",
                                                    int64_t cache_memory_bytes = 1 << 20) {
  TorchOptions options;
  options.device = TestDevice();
  options.dtype = dtype;
  options.num_threads = 1;
  options.cache_memory_bytes = cache_memory_bytes;
  auto runner = CreateTorchModelRunner(checkpoint, options);
  if (!runner.ok()) ADD_FAILURE() << runner.status();
  return *std::move(runner);
}

using LogitTable = std::vector<std::vector<float>>;  // [tokens][vocab_size]

// Feeds `tokens` in chunks and returns all rows.
inline LogitTable FeedAll(ModelRunner& runner, KvCache& cache, absl::Span<const TokenId> tokens,
                          absl::Span<const int64_t> window_begin, size_t chunk) {
  LogitTable table;
  StepOutput output;
  for (size_t first = 0; first < tokens.size(); first += chunk) {
    const StepInput input = {.cache = &cache,
                             .tokens = tokens.subspan(first, chunk),
                             .window_begin = window_begin.subspan(first, chunk),
                             .rows = LogitRows::kAll};
    const absl::Status status = runner.Step({input}, output);
    if (!status.ok()) ADD_FAILURE() << status;
    for (size_t row = 0; row < input.tokens.size(); ++row) {
      const absl::Span<const float> logits = output.Row(0, row);
      table.emplace_back(logits.begin(), logits.end());
    }
  }
  return table;
}

// The largest difference between two rows; infinite if one is not a number.
inline float RowDifference(const std::vector<float>& a, const std::vector<float>& b) {
  float largest = 0.0f;
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const float difference = std::fabs(a.at(i) - b.at(i));
    if (!(difference <= std::numeric_limits<float>::max())) return std::numeric_limits<float>::infinity();
    largest = std::max(largest, difference);
  }
  return largest;
}

// Plays a case of a stream past the capacity in chunks: sizes of the cache, and steps that feed tokens under given
// window begins, rewrite the notes, or rewind. Returns the largest difference to the golden rows.
inline float PlayScenario(ModelRunner& runner, const nlohmann::json& scenario, size_t chunk) {
  const CacheShape shape = {.sink_tokens = scenario["sink_tokens"],
                            .note_tokens = scenario["note_tokens"],
                            .window_tokens = scenario["window_tokens"]};
  auto cache = runner.NewCache(shape);
  if (!cache.ok()) ADD_FAILURE() << cache.status();
  float largest = 0.0f;
  for (const nlohmann::json& step : scenario["steps"]) {
    absl::Status status;
    if (step.contains("feed")) {
      const std::vector<TokenId> tokens = step["feed"];
      const std::vector<int64_t> window_begin = step["window_begin"];
      const LogitTable table = FeedAll(runner, **cache, tokens, window_begin, chunk);
      for (const nlohmann::json& row : step["rows"]) {
        largest = std::max(largest, RowDifference(table.at(row["row"]), row["logits"]));
      }
    } else if (step.contains("notes")) {
      const std::vector<TokenId> tokens = step["notes"];
      StepOutput output;
      status = runner.Step({StepInput{.cache = cache->get(),
                                      .part = Part::kNotes,
                                      .tokens = tokens,
                                      .window_begin = {},
                                      .rows = LogitRows::kNone}},
                           output);
    } else {
      status = runner.Truncate(**cache, step["rewind"]);
    }
    if (!status.ok()) ADD_FAILURE() << status;
  }
  return largest;
}

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_TORCH_GOLDEN_STREAM_H_
