// The real default model. Its figures are those of its publisher and of gguf-py's dump of the file.

#include "model/checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "model/checkpoint/tensor_table.h"
#include "tests/model/checkpoint/expect_error.h"

namespace perennial {
namespace {

// Of layers.29.mlp.down_proj.weight, by gguf-py: (dequantize(tensor.data, Q4_1).astype(float64) ** 2).sum().
constexpr double kGoldenSumOfSquares = 29667.074891592143;

std::string DefaultModel() {
  const char* const given = std::getenv("PERENNIAL_TEST_MODEL");
  if (given != nullptr && *given != '\0') return given;
  return std::string(PERENNIAL_SOURCE_DIR) + "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf";
}

class DefaultModelTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(std::filesystem::exists(DefaultModel())) << "./dev setup fetches " << DefaultModel();
    auto opened = Checkpoint::Open(DefaultModel());
    ASSERT_TRUE(opened.ok()) << opened.status();
    checkpoint_ = *std::move(opened);
  }

  std::unique_ptr<Checkpoint> checkpoint_;
};

TEST_F(DefaultModelTest, HasItsPublishedConfiguration) {
  const ModelConfig& config = checkpoint_->config();
  EXPECT_EQ(config.architecture, "llama");
  EXPECT_EQ(config.num_layers, 30);
  EXPECT_EQ(config.hidden_size, 576);
  EXPECT_EQ(config.num_heads, 9);
  EXPECT_EQ(config.num_kv_heads, 3);
  EXPECT_EQ(config.head_size, 64);
  EXPECT_EQ(config.feed_forward_size, 1536);
  EXPECT_EQ(config.vocab_size, 49152);
  EXPECT_EQ(config.ropes[0].theta, 100000.0);
  EXPECT_EQ(config.rope_layout, RopeLayout::kInterleaved);
  EXPECT_EQ(config.ropes[0].scaling.kind, RopeScalingKind::kNone);
  EXPECT_EQ(config.trained_tokens, 8192);
  EXPECT_EQ(config.norm_epsilon, 1e-5f);
  EXPECT_TRUE(config.tied_embeddings);
  EXPECT_FALSE(config.qkv_bias);
  EXPECT_EQ(config.bos_token, 1);
  EXPECT_EQ(config.end_tokens, (std::vector<TokenId>{2}));
}

TEST_F(DefaultModelTest, HasItsTokenizerAndTemplate) {
  const GgufVocabulary& vocabulary = std::get<GgufVocabulary>(checkpoint_->tokenizer());
  EXPECT_EQ(vocabulary.model, "gpt2");
  EXPECT_EQ(vocabulary.pre, "smollm");
  EXPECT_EQ(vocabulary.tokens.size(), 49152u);
  EXPECT_EQ(vocabulary.merges.size(), 48900u);
  EXPECT_EQ(vocabulary.tokens[2], "<|im_end|>");
  EXPECT_EQ(vocabulary.types[2], 3);
  EXPECT_FALSE(vocabulary.add_bos);
  EXPECT_EQ(checkpoint_->bos_text(), "<|im_start|>");
  EXPECT_EQ(checkpoint_->eos_text(), "<|im_end|>");
  EXPECT_THAT(checkpoint_->chat_template(), testing::HasSubstr("You are a helpful AI assistant named SmolLM"));
}

TEST_F(DefaultModelTest, HasItsTensorsAndAllCanBeConverted) {
  std::map<TensorType, int> counts;
  std::vector<float> values;
  double sum_of_squares = 0;
  for (const TensorNeed& need : TensorsNeeded(checkpoint_->config())) {
    const absl::StatusOr<TensorView> tensor = checkpoint_->Tensor(need.canonical_name, need.shape);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    ++counts[tensor->type];
    values.resize(tensor->num_elements());
    Dequantize(*tensor, absl::MakeSpan(values));
    if (need.canonical_name != "layers.29.mlp.down_proj.weight") continue;
    for (const float value : values) sum_of_squares += double{value} * value;
  }
  EXPECT_EQ(counts[TensorType::kQ4_1], 210);
  EXPECT_EQ(counts[TensorType::kF32], 61);
  EXPECT_EQ(counts[TensorType::kQ8_0], 1);
  EXPECT_EQ(checkpoint_->Tensor("embed_tokens.weight", {49152, 576})->type, TensorType::kQ8_0);
  EXPECT_NEAR(sum_of_squares, kGoldenSumOfSquares, 1e-6 * kGoldenSumOfSquares);
}

TEST_F(DefaultModelTest, NamesTheFileInErrorsAboutTensors) {
  ExpectError(checkpoint_->Tensor("lm_head.weight", {49152, 576}).status(), absl::StatusCode::kNotFound,
              checkpoint_->path() + ": tensor \"lm_head.weight\" is missing");
  ExpectInvalid(checkpoint_->Tensor("norm.weight", {1}).status(), "\"output_norm.weight\" has shape [576]");
}

TEST(CheckpointTest, ReportsPathsThatAreNoModel) {
  ExpectError(Checkpoint::Open("/no/such/model").status(), absl::StatusCode::kNotFound, "/no/such/model: cannot open");
  ExpectError(Checkpoint::Open("/").status(), absl::StatusCode::kNotFound, "has no config.json");
  ExpectInvalid(Checkpoint::Open("/dev/null").status(), "/dev/null: not a regular file");
}

}  // namespace
}  // namespace perennial
