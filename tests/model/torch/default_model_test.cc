// The default model's logits against transformers' on the same file (tests/golden/logits/make_default_model_logits.py).

#include "tests/model/torch/default_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "model/checkpoint/checkpoint.h"
#include "model/model_runner.h"
#include "model/sink_window.h"
#include "tests/model/torch/golden_stream.h"

namespace perennial {
namespace {

// Loaded once for all tests of the program.
class DefaultModelTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::unique_ptr<Checkpoint> checkpoint = OpenDefaultModel();
    ASSERT_NE(checkpoint, nullptr);
    runner_ = MakeDefaultModelRunner(*checkpoint, "float32").release();
    golden_ = new nlohmann::json(ReadGolden("default_model.json"));
  }

  static void TearDownTestSuite() {
    delete runner_;
    delete golden_;
  }

  void SetUp() override {
    ASSERT_NE(runner_, nullptr);
    auto cache = runner_->NewCache(shape_);
    ASSERT_TRUE(cache.ok()) << cache.status();
    cache_ = *std::move(cache);
  }

  void Feed(const std::vector<TokenId>& tokens, LogitRows rows) {
    const std::vector<int64_t> window_begin = window_.Advance(static_cast<int64_t>(tokens.size()));
    const StepInput input = {.cache = cache_.get(), .tokens = tokens, .window_begin = window_begin, .rows = rows};
    const absl::Status status = runner_->Step({input}, output_);
    ASSERT_TRUE(status.ok()) << status;
  }

  static ModelRunner* runner_;
  static nlohmann::json* golden_;

  const CacheShape shape_ = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 252};
  SinkWindow window_{shape_, EvictionPolicy::kTokenWise};
  std::unique_ptr<KvCache> cache_;
  StepOutput output_;
};

ModelRunner* DefaultModelTest::runner_ = nullptr;
nlohmann::json* DefaultModelTest::golden_ = nullptr;

TEST_F(DefaultModelTest, LogitsEqualTransformersWithinTheTrainedLength) {
  Feed((*golden_)["tokens"], LogitRows::kAll);
  const size_t stride = (*golden_)["stride"];
  constexpr float kTolerance = 2e-3f;  // of logits up to 30, after 30 layers in float32 summed in another order
  for (const auto& row : (*golden_)["rows"]) {
    const absl::Span<const float> logits = output_.Row(0, row["position"]);
    const std::vector<TokenId> top_tokens = row["top_tokens"];
    const std::vector<float> top_logits = row["top_logits"];
    for (size_t i = 0; i < top_tokens.size(); ++i) {
      EXPECT_NEAR(logits[static_cast<size_t>(top_tokens[i])], top_logits[i], kTolerance);
    }
    const std::vector<float> strided = row["strided_logits"];
    for (size_t i = 0; i < strided.size(); ++i) EXPECT_NEAR(logits[i * stride], strided[i], kTolerance);
  }
}

TEST_F(DefaultModelTest, GreedyReplyEqualsTransformers) {
  Feed((*golden_)["tokens"], LogitRows::kLast);
  std::vector<TokenId> greedy;
  for (size_t i = 0; i < (*golden_)["greedy"].size(); ++i) {
    const absl::Span<const float> logits = output_.Row(0);
    greedy.push_back(static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    Feed({greedy.back()}, LogitRows::kLast);
  }
  EXPECT_EQ(greedy, (*golden_)["greedy"].get<std::vector<TokenId>>());
}

}  // namespace
}  // namespace perennial
