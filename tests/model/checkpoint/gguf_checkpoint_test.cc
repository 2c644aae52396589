#include "model/checkpoint/gguf_checkpoint.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/model/checkpoint/expect_error.h"
#include "tests/model/checkpoint/gguf_writer.h"

namespace perennial {
namespace {

absl::Status ReadStatus(const GgufWriter& writer) {
  const std::string bytes = writer.Build();
  return ReadGgufContents(AsBytes(bytes)).status();
}

// The result's tensors view bytes that are gone: for everything else.
absl::StatusOr<CheckpointContents> Read(const GgufWriter& writer) {
  const std::string bytes = writer.Build();
  return ReadGgufContents(AsBytes(bytes));
}

TEST(GgufCheckpointTest, ReadsACompleteFile) {
  const auto contents = Read(TinyGguf());
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ(contents->config.vocab_size, 4);
  EXPECT_TRUE(contents->config.tied_embeddings);
  EXPECT_EQ(contents->bos_text, "<s>");
  EXPECT_EQ(contents->eos_text, "</s>");
  EXPECT_EQ(contents->chat_template, "{{ messages }}");
  const GgufVocabulary& vocabulary = std::get<GgufVocabulary>(contents->tokenizer);
  EXPECT_EQ(vocabulary.pre, "smollm");
  EXPECT_EQ(vocabulary.merges, (std::vector<std::string>{"a a"}));
}

TEST(GgufCheckpointTest, KnowsAnOutputMatrixOfItsOwn) {
  GgufWriter writer = TinyGguf();
  writer.AddTensor("output.weight", {4, 32}, 8);
  const auto contents = Read(writer);
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_FALSE(contents->config.tied_embeddings);
}

TEST(GgufCheckpointTest, ReadsRopeDivisors) {
  GgufWriter writer = TinyGguf();
  writer.AddTensor("rope_freqs.weight", {8});
  std::string& bytes = writer.Tensor("rope_freqs.weight").bytes;
  bytes.clear();
  for (int i = 0; i < 8; ++i) bytes += Raw(1.0f + static_cast<float>(i));
  const auto contents = Read(writer);
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ(contents->config.ropes[0].frequency_divisors, (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));

  writer.Tensor("rope_freqs.weight").bytes.replace(0, 4, Raw(0.0f));
  ExpectInvalid(ReadStatus(writer), "rope_frequency_divisors");
  writer.RemoveTensor("rope_freqs.weight").AddTensor("rope_freqs.weight", {7});
  ExpectInvalid(ReadStatus(writer), "rope_freqs.weight is F32 [7]; needed is F32 [8]");
}

// Phi-3's files say LongRoPE by two tensors and its numbers.
TEST(GgufCheckpointTest, ReadsLongRope) {
  GgufWriter writer = TinyGguf();
  writer.SetUint32("llama.rope.scaling.original_context_length", 32).SetFloat("llama.rope.scaling.attn_factor", 1.25f);
  for (const char* name : {"rope_factors_short.weight", "rope_factors_long.weight"}) {
    writer.AddTensor(name, {8});
    writer.Tensor(name).bytes.clear();
    for (int i = 0; i < 8; ++i) writer.Tensor(name).bytes += Raw(name[13] == 's' ? 1.0f : 2.0f);
  }
  const auto contents = Read(writer);
  ASSERT_TRUE(contents.ok()) << contents.status();
  const RopeScaling& scaling = contents->config.ropes[0].scaling;
  EXPECT_EQ(scaling.kind, RopeScalingKind::kLongRope);
  EXPECT_EQ(scaling.original_length, 32);
  EXPECT_EQ(scaling.factor, 4.0);
  EXPECT_EQ(scaling.attention_factor, 1.25);
  EXPECT_EQ(scaling.short_factors[7], 1.0f);
  EXPECT_EQ(scaling.long_factors[7], 2.0f);
  writer.RemoveTensor("rope_factors_short.weight");
  ExpectInvalid(ReadStatus(writer), "rope_scaling.short_factor has 0 elements");
}

TEST(GgufCheckpointTest, NamesAMissingTensor) {
  GgufWriter writer = TinyGguf();
  writer.RemoveTensor("blk.0.attn_v.weight");
  ExpectError(ReadStatus(writer), absl::StatusCode::kNotFound, "layers.0.self_attn.v_proj.weight");
  GgufWriter embedding = TinyGguf();
  embedding.RemoveTensor("token_embd.weight");
  ExpectError(ReadStatus(embedding), absl::StatusCode::kNotFound, "token_embd.weight");
}

TEST(GgufCheckpointTest, NamesATensorOfAnotherShape) {
  GgufWriter writer = TinyGguf();
  writer.RemoveTensor("blk.0.attn_v.weight").AddTensor("blk.0.attn_v.weight", {32, 32});
  ExpectInvalid(ReadStatus(writer), "\"blk.0.attn_v.weight\" has shape [32, 32]; the configuration needs [16, 32]");
}

TEST(GgufCheckpointTest, RefusesTensorsItWouldNotUse) {
  GgufWriter writer = TinyGguf();
  writer.AddTensor("blk.0.attn_q_norm.weight", {16});
  ExpectUnimplemented(ReadStatus(writer), "\"blk.0.attn_q_norm.weight\" is not part of a llama network");
  GgufWriter beyond = TinyGguf();
  beyond.AddTensor("blk.1.attn_norm.weight", {32});
  ExpectUnimplemented(ReadStatus(beyond), "blk.1.attn_norm.weight");
}

TEST(GgufCheckpointTest, RefusesAVocabularyOfAnotherSizeThanTheEmbedding) {
  GgufWriter writer = TinyGguf();
  writer.SetStrings("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>"}).SetInts("tokenizer.ggml.token_type", {2, 3, 3});
  ExpectInvalid(ReadStatus(writer),
                "tokenizer.ggml.tokens has 3 elements, but tensor \"token_embd.weight\" has 4 rows");
}

TEST(GgufCheckpointTest, ReportsAMissingFileByPath) {
  ExpectError(OpenGgufCheckpoint("/no/such/file.gguf").status(), absl::StatusCode::kNotFound, "/no/such/file.gguf: ");
}

}  // namespace
}  // namespace perennial
