#include "model/torch/weights.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/model/torch/formula_checkpoint.h"

namespace perennial {
namespace {

TEST(WeightsTest, JoinsLayersThatReadTheSameInput) {
  const auto weights = LoadNetworkWeights(FormulaCheckpoint(SmallConfig()), at::kFloat, at::kCPU);
  ASSERT_TRUE(weights.ok()) << weights.status();
  ASSERT_EQ(weights->layers.size(), 2u);
  const at::Tensor& joined = weights->layers[1].query_key_value.matrix;
  ASSERT_EQ(joined.sizes(), at::IntArrayRef({(4 + 2 * 2) * 16, 48}));
  EXPECT_EQ(joined[64][5].item<float>(), FormulaWeight("layers.1.self_attn.k_proj.weight", {32, 48}, 5));
  EXPECT_EQ(joined[96][5].item<float>(), FormulaWeight("layers.1.self_attn.v_proj.weight", {32, 48}, 5));
  EXPECT_EQ(weights->layers[0].gate_up.matrix.sizes(), at::IntArrayRef({160, 48}));
  EXPECT_FALSE(weights->layers[0].query_key_value.bias.defined());
}

TEST(WeightsTest, TiedOutputIsTheEmbeddingItself) {
  ModelConfig config = SmallConfig();
  config.tied_embeddings = true;
  const auto weights = LoadNetworkWeights(FormulaCheckpoint(config), at::kFloat, at::kCPU);
  ASSERT_TRUE(weights.ok());
  EXPECT_TRUE(weights->output.matrix.is_same(weights->embedding));
}

TEST(WeightsTest, NormsStayFloat32) {
  const auto weights = LoadNetworkWeights(FormulaCheckpoint(SmallConfig()), at::kBFloat16, at::kCPU);
  ASSERT_TRUE(weights.ok());
  EXPECT_EQ(weights->output_norm.weight.scalar_type(), at::kFloat);
  EXPECT_EQ(weights->layers[0].down.matrix.scalar_type(), at::kBFloat16);
}

// Interleaved checkpoints hold head rows 0, d/2, 1, d/2 + 1, …
TEST(WeightsTest, PutsInterleavedHeadsBackIntoHalves) {
  ModelConfig config = SmallConfig();
  config.rope_layout = RopeLayout::kInterleaved;
  const auto weights = LoadNetworkWeights(FormulaCheckpoint(config), at::kFloat, at::kCPU);
  ASSERT_TRUE(weights.ok());
  const at::Tensor& joined = weights->layers[0].query_key_value.matrix;
  const auto query = [](int64_t row) { return FormulaWeight("layers.0.self_attn.q_proj.weight", {64, 48}, row * 48); };
  EXPECT_EQ(joined[16 + 0][0].item<float>(), query(16 + 0));  // head 1
  EXPECT_EQ(joined[16 + 1][0].item<float>(), query(16 + 2));
  EXPECT_EQ(joined[16 + 8][0].item<float>(), query(16 + 1));
  EXPECT_EQ(joined[16 + 15][0].item<float>(), query(16 + 15));
  const float value = FormulaWeight("layers.0.self_attn.v_proj.weight", {32, 48}, 48);
  EXPECT_EQ(joined[96 + 1][0].item<float>(), value);  // values do not rotate
}

TEST(WeightsTest, NamesTheTensorThatIsNotANumber) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    FormulaCheckpoint checkpoint(SmallConfig());
    std::vector<float> values(80 * 48, 0.5f);
    values[1234] = bad;
    checkpoint.Set("layers.1.mlp.up_proj.weight", values);
    const auto weights = LoadNetworkWeights(checkpoint, at::kFloat, at::kCPU);
    EXPECT_EQ(weights.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(weights.status().message().find("layers.1.mlp.up_proj.weight"), std::string::npos) << weights.status();
  }
}

TEST(WeightsTest, RefusesValuesTooLargeForTheType) {
  FormulaCheckpoint checkpoint(SmallConfig());
  checkpoint.Set("layers.0.mlp.down_proj.weight", std::vector<float>(80 * 48, 1e6f));
  EXPECT_TRUE(LoadNetworkWeights(checkpoint, at::kBFloat16, at::kCPU).ok());
  EXPECT_EQ(LoadNetworkWeights(checkpoint, at::kHalf, at::kCPU).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(WeightsTest, AMissingTensorIsTheCheckpointsError) {
  FormulaCheckpoint checkpoint(SmallConfig());
  checkpoint.Remove("norm.weight");
  EXPECT_EQ(LoadNetworkWeights(checkpoint, at::kFloat, at::kCPU).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace perennial
