#include "model/checkpoint/tensor_table.h"

#include <gtest/gtest.h>

#include "tests/model/checkpoint/expect_error.h"

namespace perennial {
namespace {

ModelConfig SmallConfig() {
  ModelConfig config;
  config.vocab_size = 10;
  config.num_layers = 2;
  config.hidden_size = 8;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_size = 6;
  config.feed_forward_size = 12;
  return config;
}

TensorTable Complete(const ModelConfig& config) {
  TensorTable table;
  for (const TensorNeed& need : TensorsNeeded(config)) {
    TensorView view;
    view.name = "file." + need.canonical_name;
    view.shape = need.shape;
    EXPECT_TRUE(table.Add(need.canonical_name, view).ok());
  }
  return table;
}

TEST(TensorTableTest, ListsWhatANetworkNeeds) {
  ModelConfig config = SmallConfig();
  EXPECT_EQ(TensorsNeeded(config).size(), 3u + 2 * 9);
  EXPECT_EQ(TensorsNeeded(config)[2].canonical_name, "layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(TensorsNeeded(config)[2].shape, (std::vector<int64_t>{24, 8}));
  EXPECT_EQ(TensorsNeeded(config)[3].shape, (std::vector<int64_t>{12, 8}));
  config.tied_embeddings = true;
  EXPECT_EQ(TensorsNeeded(config).size(), 2u + 2 * 9);
  config.attention_bias = true;
  EXPECT_EQ(TensorsNeeded(config).size(), 2u + 2 * 13);
  config.feed_forward_bias = true;
  EXPECT_EQ(TensorsNeeded(config).size(), 2u + 2 * 16);
}

TEST(TensorTableTest, AcceptsExactlyTheseTensors) {
  const ModelConfig config = SmallConfig();
  TensorTable table = Complete(config);
  EXPECT_TRUE(CheckTensors(config, table).ok());
  ASSERT_TRUE(table.Add("layers.2.extra.weight", {}).ok());
  ExpectUnimplemented(CheckTensors(config, table), "with 2 layers");
}

TEST(TensorTableTest, ChecksShapesAndNames) {
  const TensorTable table = Complete(SmallConfig());
  EXPECT_EQ(table.Get("norm.weight", {8})->name, "file.norm.weight");
  ExpectInvalid(table.Get("norm.weight", {8, 1}).status(),
                "tensor \"file.norm.weight\" has shape [8]; the configuration needs [8, 1]");
  ExpectError(table.Get("nothing", {8}).status(), absl::StatusCode::kNotFound, "tensor \"nothing\" is missing");
  EXPECT_EQ(table.Find("nothing"), nullptr);
}

TEST(TensorTableTest, RefusesTwoNamesForOneTensor) {
  TensorTable table;
  TensorView view;
  view.name = "first";
  ASSERT_TRUE(table.Add("a", view).ok());
  view.name = "second";
  ExpectInvalid(table.Add("a", view), "tensors \"first\" and \"second\" both mean \"a\"");
}

}  // namespace
}  // namespace perennial
