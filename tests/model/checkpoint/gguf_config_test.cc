#include "model/checkpoint/gguf_config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "model/checkpoint/gguf_checkpoint.h"
#include "tests/model/checkpoint/expect_error.h"
#include "tests/model/checkpoint/gguf_writer.h"

namespace perennial {
namespace {

absl::StatusOr<ModelConfig> ReadConfig(const std::function<void(GgufWriter&)>& change) {
  GgufWriter writer = TinyGguf();
  change(writer);
  const std::string bytes = writer.Build();
  const absl::StatusOr<CheckpointContents> contents = ReadGgufContents(AsBytes(bytes));
  if (!contents.ok()) return contents.status();
  return contents->config;
}

TEST(GgufConfigTest, ReadsTheNetwork) {
  const auto config = ReadConfig([](GgufWriter&) {});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->architecture, "llama");
  EXPECT_EQ(config->name, "Tiny");
  EXPECT_EQ(config->num_layers, 1);
  EXPECT_EQ(config->hidden_size, 32);
  EXPECT_EQ(config->num_heads, 2);
  EXPECT_EQ(config->num_kv_heads, 1);
  EXPECT_EQ(config->head_size, 16);
  EXPECT_EQ(config->feed_forward_size, 64);
  EXPECT_EQ(config->norm_epsilon, 1e-5f);
  EXPECT_EQ(config->ropes[0].theta, 50000.0);
  EXPECT_EQ(config->rope_layout, RopeLayout::kInterleaved);
  EXPECT_EQ(config->trained_tokens, 128);
  EXPECT_EQ(config->layer(0).window_tokens, 0);
  EXPECT_FALSE(config->qkv_bias);
}

TEST(GgufConfigTest, NamesWhatItSupports) {
  ExpectUnimplemented(ReadConfig([](GgufWriter& w) { w.SetString("general.architecture", "gpt5"); }).status(),
                      "architecture \"gpt5\" is not supported; supported in GGUF are llama, qwen2");
  ExpectUnimplemented(ReadConfig([](GgufWriter& w) { w.SetUint32("llama.expert_count", 8); }).status(),
                      "mixtures of experts");
  ExpectUnimplemented(ReadConfig([](GgufWriter& w) { w.SetString("general.architecture", "gpt2"); }).status(),
                      "it learns a vector for every absolute position");
  ExpectUnimplemented(ReadConfig([](GgufWriter& w) { w.SetUint32("llama.attention.value_length", 8); }).status(),
                      "llama.attention.value_length is 8 but the head size is 16");
  ExpectUnimplemented(ReadConfig([](GgufWriter& w) { w.SetString("llama.rope.scaling.type", "dynamic"); }).status(),
                      "supported are none, linear, yarn and longrope");
}

TEST(GgufConfigTest, NamesMissingAndWrongKeys) {
  for (const char* key : {"general.architecture", "llama.block_count", "llama.embedding_length",
                          "llama.attention.head_count", "llama.feed_forward_length", "llama.context_length",
                          "tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.merges"}) {
    ExpectInvalid(ReadConfig([key](GgufWriter& w) { w.Remove(key); }).status(), std::string(key) + " is missing");
    if (std::string(key).rfind("general", 0) == 0) continue;
    ExpectInvalid(ReadConfig([key](GgufWriter& w) { w.SetBool(key, true); }).status(), key);
  }
}

TEST(GgufConfigTest, RefusesAbsurdSizes) {
  ExpectInvalid(ReadConfig([](GgufWriter& w) { w.SetUint32("llama.attention.head_count", 0); }).status(),
                "llama.attention.head_count is 0");
  ExpectInvalid(ReadConfig([](GgufWriter& w) { w.SetUint32("llama.block_count", 0x7FFFFFFF); }).status(), "num_layers");
  ExpectInvalid(ReadConfig([](GgufWriter& w) { w.SetUint32("llama.block_count", 0xFFFFFFFF); }).status(),
                "llama.block_count is 4294967295");
  ExpectInvalid(ReadConfig([](GgufWriter& w) {
                  w.Set("llama.embedding_length", GgufType::kUint64, Raw(uint64_t{1} << 63));
                }).status(),
                "llama.embedding_length is not an integer below 2^63");
  ExpectInvalid(ReadConfig([](GgufWriter& w) { w.SetFloat("llama.rope.freq_base", NAN); }).status(),
                "llama.rope.freq_base is not a finite number");
  ExpectInvalid(ReadConfig([](GgufWriter& w) { w.SetFloat("llama.rope.freq_base", 0.0f); }).status(), "rope_theta");
}

TEST(GgufConfigTest, TakesPerLayerListsOnlyIfTheyAreUniform) {
  const auto config = ReadConfig([](GgufWriter& w) { w.SetInts("llama.attention.head_count_kv", {1, 1, 1}); });
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->num_kv_heads, 1);
  ExpectUnimplemented(ReadConfig([](GgufWriter& w) {
                        w.SetInts("llama.attention.head_count_kv", {1, 2});
                      }).status(),
                      "differs between layers");
  ExpectInvalid(ReadConfig([](GgufWriter& w) { w.SetInts("llama.attention.head_count_kv", {}); }).status(),
                "llama.attention.head_count_kv is not an integer");
}

TEST(GgufConfigTest, ReadsLinearScalingInBothForms) {
  for (const bool old_form : {false, true}) {
    const auto config = ReadConfig([old_form](GgufWriter& w) {
      if (old_form) {
        w.SetFloat("llama.rope.scale_linear", 4.0f);
      } else {
        w.SetString("llama.rope.scaling.type", "linear").SetFloat("llama.rope.scaling.factor", 4.0f);
      }
    });
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->ropes[0].scaling.kind, RopeScalingKind::kLinear);
    EXPECT_EQ(config->ropes[0].scaling.factor, 4.0);
    EXPECT_EQ(config->trained_tokens, 512);
  }
}

TEST(GgufConfigTest, ReadsYarn) {
  const auto config = ReadConfig([](GgufWriter& w) {
    w.SetString("llama.rope.scaling.type", "yarn")
        .SetFloat("llama.rope.scaling.factor", 8.0f)
        .SetUint32("llama.rope.scaling.original_context_length", 64)
        .SetFloat("llama.rope.scaling.yarn_beta_fast", 16.0f)
        .SetFloat("llama.rope.scaling.attn_factor", 0.5f);
  });
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->ropes[0].scaling.kind, RopeScalingKind::kYarn);
  EXPECT_EQ(config->ropes[0].scaling.original_length, 64);
  EXPECT_EQ(config->ropes[0].scaling.beta_fast, 16.0);
  EXPECT_EQ(config->ropes[0].scaling.beta_slow, 1.0);
  EXPECT_DOUBLE_EQ(config->ropes[0].scaling.attention_factor.value(), 0.5 * (1 + 0.1 * std::log(8.0)));
  EXPECT_EQ(config->trained_tokens, 512);
}

TEST(GgufConfigTest, SeesBiasesByTheirTensors) {
  const auto add = [](GgufWriter& w) { w.AddTensor("blk.0.attn_q.bias", {32}).AddTensor("blk.0.attn_k.bias", {16}); };
  ExpectUnimplemented(ReadConfig(add).status(), "not for self_attn.v_proj");
  const auto config = ReadConfig([&](GgufWriter& w) {
    add(w);
    w.AddTensor("blk.0.attn_v.bias", {16});
  });
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->qkv_bias);
  EXPECT_FALSE(config->attention_out_bias);
  EXPECT_FALSE(config->feed_forward_bias);
}

}  // namespace
}  // namespace perennial
