// What a session computes does not depend on who shares its steps: on a CPU the logits of the default model have the
// same bits alone and in a batch. (linear.h says why; how a prompt is cut into chunks may change rounding.)

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "model/sink_window.h"
#include "tests/model/torch/default_model.h"

namespace perennial {
namespace {

constexpr CacheShape kShape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 12};
constexpr size_t kSessions = 8;
constexpr size_t kPromptTokens = 11;
constexpr size_t kDecoded = 5;  // past the capacity

// One session's tokens: a prompt in one chunk, then one by one.
struct Stream {
  Stream(ModelRunner& runner, uint32_t seed) : cache(runner.NewCache(kShape).value()) {
    std::mt19937 random(seed);
    for (size_t i = 0; i < kPromptTokens + kDecoded; ++i) {
      tokens.push_back(static_cast<TokenId>(100 + random() % 20'000));
    }
  }

  // The input of the stream's next step.
  StepInput Next() {
    const size_t count = fed == 0 ? kPromptTokens : 1;
    window_begin = window.Advance(static_cast<int64_t>(count));
    fed += count;
    return {.cache = cache.get(),
            .part = Part::kStream,
            .tokens = absl::MakeConstSpan(tokens).subspan(fed - count, count),
            .window_begin = window_begin,
            .rows = LogitRows::kLast};
  }

  std::unique_ptr<KvCache> cache;
  SinkWindow window{kShape, EvictionPolicy::kTokenWise};
  std::vector<TokenId> tokens;
  std::vector<int64_t> window_begin;
  size_t fed = 0;
};

// The logits of all steps, session by session, where `together` sessions share a step. The second half of such a group
// comes a step later than the first, so that prompts and single tokens meet.
std::vector<std::vector<float>> Logits(ModelRunner& runner, size_t together) {
  std::vector<std::vector<float>> logits(kSessions);
  StepOutput output;
  for (size_t begin = 0; begin < kSessions; begin += together) {
    std::vector<Stream> streams;
    for (size_t i = 0; i < together; ++i) streams.emplace_back(runner, static_cast<uint32_t>(begin + i));
    for (size_t step = 0; step < kDecoded + 2; ++step) {
      std::vector<StepInput> batch;
      std::vector<size_t> members;
      for (size_t i = 0; i < together; ++i) {
        const bool late = 2 * i >= together && together > 1;
        if ((late && step == 0) || streams[i].fed == streams[i].tokens.size()) continue;
        batch.push_back(streams[i].Next());
        members.push_back(begin + i);
      }
      if (batch.empty()) continue;
      EXPECT_TRUE(runner.Step(batch, output).ok());
      for (size_t i = 0; i < members.size(); ++i) {
        const absl::Span<const float> row = output.Row(i);
        logits[members[i]].insert(logits[members[i]].end(), row.begin(), row.end());
      }
    }
  }
  return logits;
}

TEST(BatchInvarianceTest, LogitsHaveTheSameBitsAloneAndTogether) {
  const std::unique_ptr<Checkpoint> checkpoint = OpenDefaultModel();
  ASSERT_NE(checkpoint, nullptr);
  TorchOptions options;
  options.device = "cpu";  // other devices choose kernels by the number of rows
  options.dtype = "float32";
  options.cache_memory_bytes = int64_t{64} << 20;
  const std::unique_ptr<ModelRunner> runner = CreateTorchModelRunner(*checkpoint, options).value();
  const std::vector<std::vector<float>> alone = Logits(*runner, 1);
  for (const size_t together : {2, 4, 8}) {
    const std::vector<std::vector<float>> shared = Logits(*runner, together);
    for (size_t i = 0; i < kSessions; ++i) {
      EXPECT_TRUE(alone[i] == shared[i]) << "session " << i << " of " << together << " together";
    }
  }
}

}  // namespace
}  // namespace perennial
