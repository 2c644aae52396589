#include "model/checkpoint/tensor_names.h"

#include <gtest/gtest.h>

#include "model/checkpoint/family.h"
#include "model/checkpoint/gguf_words.h"

namespace perennial {
namespace {

TEST(TensorNamesTest, TranslatesLlamasGguf) {
  const TensorNames& names = *LlamaGgufNames(GgufFile());
  EXPECT_EQ(CanonicalName(names, "token_embd.weight"), "embed_tokens.weight");
  EXPECT_EQ(CanonicalName(names, "output.weight"), "lm_head.weight");
  EXPECT_EQ(CanonicalName(names, "output_norm.weight"), "norm.weight");
  EXPECT_EQ(CanonicalName(names, "blk.17.attn_output.bias"), "layers.17.self_attn.o_proj.bias");
  EXPECT_EQ(CanonicalName(names, "blk.0.ffn_norm.weight"), "layers.0.post_attention_layernorm.weight");
}

TEST(TensorNamesTest, TranslatesEveryFamilysOwnWords) {
  const auto name = [](const Family& family, absl::string_view file) {
    return CanonicalName(*family.hugging_face_names, file);
  };
  EXPECT_EQ(name(kLlamaFamily, "model.layers.3.mlp.up_proj.weight"), "layers.3.mlp.up_proj.weight");
  EXPECT_EQ(name(kFalconFamily, "transformer.h.3.self_attention.dense.bias"), "layers.3.self_attn.o_proj.bias");
  EXPECT_EQ(name(kFalconFamily, "transformer.ln_f.bias"), "norm.bias");
  EXPECT_EQ(name(kMptFamily, "transformer.blocks.0.attn.Wqkv.weight"), "layers.0.self_attn.qkv_proj.weight");
  EXPECT_EQ(name(kGptNeoxFamily, "gpt_neox.layers.9.mlp.dense_4h_to_h.bias"), "layers.9.mlp.down_proj.bias");
  EXPECT_EQ(name(kGptNeoxFamily, "embed_out.weight"), "lm_head.weight");
}

// So that a name nobody knows is found unknown later, and nothing is taken for something else.
TEST(TensorNamesTest, KeepsWhatItDoesNotKnow) {
  const TensorNames& names = *LlamaGgufNames(GgufFile());
  for (const char* name : {"", "blk.weight", "blk.x.attn_q.weight", "blk..weight", "lm_head", "attn_q.scale"}) {
    EXPECT_EQ(CanonicalName(names, name), name);
  }
  EXPECT_EQ(CanonicalName(names, "blk.0.ffn_gate_inp.weight"), "layers.0.ffn_gate_inp.weight");
}

TEST(TensorNamesTest, KnowsBuffersByTheirEndings) {
  const TensorNames& neox = *kGptNeoxFamily.hugging_face_names;
  EXPECT_TRUE(IsUnused(neox, "gpt_neox.layers.0.attention.masked_bias"));
  EXPECT_TRUE(IsUnused(neox, "gpt_neox.layers.0.attention.bias"));
  EXPECT_FALSE(IsUnused(neox, "gpt_neox.layers.0.attention.query_key_value.bias"));
  EXPECT_FALSE(IsUnused(TensorNames(), "anything"));
}

}  // namespace
}  // namespace perennial
