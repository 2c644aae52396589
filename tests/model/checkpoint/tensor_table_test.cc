#include "model/checkpoint/tensor_table.h"

#include <gtest/gtest.h>

#include <string>

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
  config.architecture = "llama";
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
  config.qkv_bias = config.attention_out_bias = true;
  EXPECT_EQ(TensorsNeeded(config).size(), 2u + 2 * 13);
  config.feed_forward_bias = true;
  EXPECT_EQ(TensorsNeeded(config).size(), 2u + 2 * 16);
}

std::string Names(const ModelConfig& config) {
  std::string names;
  for (const TensorNeed& need : TensorsNeeded(config)) names += need.canonical_name + "\n";
  return names;
}

TEST(TensorTableTest, FollowsTheDescription) {
  ModelConfig config = SmallConfig();
  config.num_layers = 1;
  config.norm = NormKind::kLayer;
  config.norm_bias = true;
  config.block = BlockShape::kParallelOneNorm;
  config.qkv_layout = QkvLayout::kGrouped;
  config.gated = false;
  config.tied_embeddings = true;
  EXPECT_EQ(Names(config),
            "embed_tokens.weight\nlayers.0.input_layernorm.weight\nlayers.0.input_layernorm.bias\n"
            "layers.0.self_attn.qkv_proj.weight\nlayers.0.self_attn.o_proj.weight\nlayers.0.mlp.up_proj.weight\n"
            "layers.0.mlp.down_proj.weight\nnorm.weight\nnorm.bias\n");
  EXPECT_EQ(TensorsNeeded(config)[3].shape, (std::vector<int64_t>{48, 8}));

  config = SmallConfig();
  config.num_layers = 1;
  config.block = BlockShape::kSandwich;
  config.fused_gate_up = true;
  config.head_norms = true;
  EXPECT_EQ(FeedForwardNormName(config.block), "pre_feedforward_layernorm");
  EXPECT_EQ(TensorsNeeded(config).size(), 3u + 12);
  EXPECT_NE(Names(config).find("mlp.gate_up_proj"), std::string::npos);
  EXPECT_NE(Names(config).find("self_attn.k_norm"), std::string::npos);
  EXPECT_NE(Names(config).find("post_feedforward_layernorm"), std::string::npos);
  config.head_norms_differ = true;
  EXPECT_EQ(TensorsNeeded(config).size(), 3u + 10 + 4 + 2);
  EXPECT_NE(Names(config).find("self_attn.k_layernorm.norms.1.weight"), std::string::npos);
}

TEST(TensorTableTest, AcceptsExactlyTheseTensors) {
  const ModelConfig config = SmallConfig();
  TensorTable table = Complete(config);
  EXPECT_TRUE(CheckTensors(config, table).ok());
  ASSERT_TRUE(table.Add("layers.2.extra.weight", {}).ok());
  ExpectUnimplemented(CheckTensors(config, table), "is not part of a llama network with 2 layers");
}

TEST(TensorTableTest, MillionsOfTensorsAreNotEvenNamed) {
  ModelConfig config = SmallConfig();
  config.head_norms = config.head_norms_differ = true;
  config.num_layers = 1024;
  config.num_heads = config.num_kv_heads = 4096;
  ExpectError(CheckTensors(config, Complete(SmallConfig())), absl::StatusCode::kNotFound,
              "its configuration needs more than 8388608");
}

TEST(TensorTableTest, ChecksShapesAndNames) {
  const TensorTable table = Complete(SmallConfig());
  EXPECT_EQ(table.Get("norm.weight", {8})->name, "file.norm.weight");
  ExpectInvalid(table.Get("norm.weight", {8, 1}).status(),
                "tensor \"file.norm.weight\" has shape [8]; the configuration needs [8, 1]");
  ExpectError(table.Get("nothing", {8}).status(), absl::StatusCode::kNotFound, "tensor \"nothing\" is missing");
  EXPECT_EQ(table.Find("nothing"), nullptr);
}

TEST(TensorTableTest, ForgetsATensorThatAReaderCutsUp) {
  TensorTable table = Complete(SmallConfig());
  const size_t size = table.size();
  table.Remove("norm.weight");
  EXPECT_EQ(table.Find("norm.weight"), nullptr);
  EXPECT_EQ(table.size(), size - 1);
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
