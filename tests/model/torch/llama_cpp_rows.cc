#include "tests/model/torch/llama_cpp_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/types/span.h"
#include "model/model_runner.h"
#include "model/sink_window.h"
#include "tests/model/torch/golden_stream.h"

namespace perennial {

std::vector<LlamaCppRow> RowsBesideLlamaCpp(const Checkpoint& checkpoint, const std::string& golden_file) {
  std::vector<LlamaCppRow> rows;
  const std::unique_ptr<ModelRunner> runner = MakeDefaultModelRunner(checkpoint, "float32");
  if (runner == nullptr) return rows;
  const nlohmann::json golden = ReadGolden(golden_file);
  for (const auto& prompt : golden["prompts"]) {
    std::vector<TokenId> tokens = prompt["tokens"];
    const std::vector<TokenId> reply = prompt["reply"];
    const size_t before = tokens.size() - 1;
    tokens.insert(tokens.end(), reply.begin(), reply.end() - 1);  // the last token of the reply was not fed
    const CacheShape shape = {
        .sink_tokens = 4, .note_tokens = 0, .window_tokens = std::max(1, static_cast<int32_t>(tokens.size()) - 4)};
    auto cache = runner->NewCache(shape);
    if (!cache.ok()) {
      ADD_FAILURE() << cache.status();
      continue;
    }
    SinkWindow window(shape, EvictionPolicy::kTokenWise);
    const std::vector<int64_t> window_begin = window.Advance(static_cast<int64_t>(tokens.size()));
    // A row of a large vocabulary is a megabyte: only those that are compared are asked for.
    const auto part = [](const auto& values, size_t first, size_t count) {
      return absl::MakeConstSpan(values).subspan(first, count);
    };
    StepOutput no_rows;
    const size_t most = static_cast<size_t>(runner->limits().max_tokens_per_step);
    for (size_t first = 0; first < before; first += most) {
      const size_t count = std::min(most, before - first);
      const absl::Status status = runner->Step({StepInput{.cache = cache->get(),
                                                          .tokens = part(tokens, first, count),
                                                          .window_begin = part(window_begin, first, count),
                                                          .rows = LogitRows::kNone}},
                                               no_rows);
      if (!status.ok()) ADD_FAILURE() << status;
    }
    const LogitTable logits = FeedAll(*runner, **cache, part(tokens, before, reply.size()),
                                      part(window_begin, before, reply.size()), reply.size());
    for (size_t row = 0; row < reply.size(); ++row) {
      rows.push_back({prompt["rows"][row], prompt["float32_rows"][row], LogProbabilities(logits[row])});
    }
  }
  return rows;
}

Distance ToFloat32Copy(const std::vector<LlamaCppRow>& rows, double bound) {
  Distance distance;
  for (const LlamaCppRow& row : rows) {
    for (const auto& [token, theirs] : row.theirs_float32) distance.Add(theirs, row.ours[static_cast<size_t>(token)]);
    const auto& [first, second] = std::pair(row.theirs_float32[0], row.theirs_float32[1]);
    if (first.second - second.second > 2 * bound) {
      EXPECT_EQ(HighestTokens(row.ours, 1)[0], first.first);
    }
  }
  return distance;
}

Distance ToSameFile(const std::vector<LlamaCppRow>& rows) {
  Distance distance;
  for (const LlamaCppRow& row : rows) {
    for (const auto& [token, theirs] : row.theirs) distance.Add(theirs, row.ours[static_cast<size_t>(token)]);
  }
  return distance;
}

}  // namespace perennial
