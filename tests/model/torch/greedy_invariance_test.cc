// Greedy replies of the default model to a prompt of three times the capacity do not depend on how the prompt is cut
// into chunks nor on who else is in the batch (float32).

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/check.h"
#include "model/checkpoint/checkpoint.h"
#include "model/model_runner.h"
#include "model/sink_window.h"
#include "model/text/tokenizer.h"
#include "model/torch/torch_model_runner.h"
#include "tests/model/torch/test_device.h"

namespace perennial {
namespace {

constexpr int kReplyTokens = 200;
constexpr int kOthers = 8;
constexpr int32_t kSinks = 4;

std::string ReadSourceFile(const std::string& path) {
  std::ifstream file(std::string(PERENNIAL_SOURCE_DIR) + "/" + path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TokenId Highest(absl::Span<const float> logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// One stream that feeds its prompt in chunks and then its own greedy tokens.
struct GreedyStream {
  GreedyStream(ModelRunner& runner, const CacheShape& shape, std::vector<TokenId> prompt_tokens)
      : cache(runner.NewCache(shape).value()),
        window(shape, EvictionPolicy::kTokenWise),
        prompt(std::move(prompt_tokens)) {}

  // The next at most `chunk` tokens, with their window begins.
  StepInput Next(int chunk) {
    if (fed < prompt.size()) {
      const size_t count = std::min<size_t>(chunk, prompt.size() - fed);
      tokens.assign(prompt.begin() + fed, prompt.begin() + fed + count);
      fed += count;
    } else {
      tokens = {reply.back()};
    }
    window_begin = window.Advance(static_cast<int64_t>(tokens.size()));
    StepInput input;
    input.cache = cache.get();
    input.tokens = tokens;
    input.window_begin = window_begin;
    input.rows = fed == prompt.size() ? LogitRows::kLast : LogitRows::kNone;
    return input;
  }

  bool done() const { return reply.size() == kReplyTokens; }

  std::unique_ptr<KvCache> cache;
  SinkWindow window;
  std::vector<TokenId> prompt;
  size_t fed = 0;
  std::vector<TokenId> reply;
  std::vector<TokenId> tokens;
  std::vector<int64_t> window_begin;
};

class GreedyInvarianceTest : public testing::TestWithParam<int32_t> {
 protected:
  static void SetUpTestSuite() {
    const std::string path = std::string(PERENNIAL_SOURCE_DIR) + "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf";
    auto checkpoint = Checkpoint::Open(path);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    auto tokenizer = Tokenizer::Create((*checkpoint)->tokenizer(), (*checkpoint)->chat_template());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    auto encoded = (*tokenizer)->EncodeText(ReadSourceFile("tests/golden/war_and_peace_opening.txt"));
    ASSERT_TRUE(encoded.ok()) << encoded.status();
    text_ = new std::vector<TokenId>(*std::move(encoded));
    TorchOptions options;
    options.device = TestDevice();
    options.dtype = "float32";
    options.cache_memory_bytes = int64_t{1} << 30;
    options.max_tokens_per_step = 1024;
    auto runner = CreateTorchModelRunner(**checkpoint, options);
    ASSERT_TRUE(runner.ok()) << runner.status();
    runner_ = runner->release();
  }
  static void TearDownTestSuite() {
    delete runner_;
    delete text_;
  }

  std::vector<TokenId> Prompt(size_t offset, size_t length) const {
    PERENNIAL_CHECK(offset + length <= text_->size());
    return {text_->begin() + static_cast<int64_t>(offset), text_->begin() + static_cast<int64_t>(offset + length)};
  }

  // The reply of the first stream; `others` more streams with other prompts and chunks share its steps.
  std::vector<TokenId> Reply(int chunk, int others) {
    const CacheShape shape{kSinks, 0, GetParam() - kSinks};
    const size_t length = static_cast<size_t>(GetParam()) * 3;
    std::vector<std::unique_ptr<GreedyStream>> streams;
    streams.push_back(std::make_unique<GreedyStream>(*runner_, shape, Prompt(0, length)));
    for (int i = 1; i <= others; ++i) {
      streams.push_back(
          std::make_unique<GreedyStream>(*runner_, shape, Prompt(static_cast<size_t>(i) * 7, 20 + 9 * i)));
    }
    StepOutput output;
    while (!streams[0]->done()) {
      std::vector<StepInput> batch;
      std::vector<GreedyStream*> members;
      for (size_t i = 0; i < streams.size(); ++i) {
        if (streams[i]->done()) continue;
        batch.push_back(streams[i]->Next(i == 0 ? chunk : 16));
        members.push_back(streams[i].get());
      }
      const absl::Status status = runner_->Step(batch, output);
      PERENNIAL_CHECK(status.ok());
      for (size_t i = 0; i < members.size(); ++i) {
        if (batch[i].rows == LogitRows::kLast) members[i]->reply.push_back(Highest(output.Row(i)));
      }
    }
    return streams[0]->reply;
  }

  static inline std::vector<TokenId>* text_ = nullptr;
  static inline ModelRunner* runner_ = nullptr;
};

TEST_P(GreedyInvarianceTest, RepliesDoNotDependOnChunksOrBatch) {
  const std::vector<TokenId> expected = Reply(/*chunk=*/64, /*others=*/0);
  ASSERT_EQ(expected.size(), static_cast<size_t>(kReplyTokens));
  for (const int chunk : {1, 7, 64, 512}) {
    for (const int others : {0, kOthers}) {
      EXPECT_EQ(Reply(chunk, others), expected) << "chunk " << chunk << ", " << others << " other sessions";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Capacity, GreedyInvarianceTest, testing::Values(64, 512), testing::PrintToStringParamName());

}  // namespace
}  // namespace perennial
