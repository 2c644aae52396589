#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "model/checkpoint/gguf_checkpoint.h"
#include "tests/model/checkpoint/expect_error.h"
#include "tests/model/checkpoint/gguf_writer.h"

namespace perennial {
namespace {

absl::StatusOr<CheckpointContents> Read(const std::function<void(GgufWriter&)>& change) {
  GgufWriter writer = TinyGguf();
  change(writer);
  const std::string bytes = writer.Build();
  return ReadGgufContents(AsBytes(bytes));
}

void MakeSentencePiece(GgufWriter& w) {
  w.SetString("tokenizer.ggml.model", "llama")
      .Remove("tokenizer.ggml.merges")
      .Remove("tokenizer.ggml.bos_token_id")
      .Remove("tokenizer.ggml.eos_token_id")
      .Set("tokenizer.ggml.scores", GgufType::kArray,
           GgufWriter::Array(GgufType::kFloat32, 4, Raw(0.0f) + Raw(0.0f) + Raw(0.0f) + Raw(-1.5f)));
}

TEST(GgufVocabularyTest, ReadsSentencePieceVocabulariesWithTheirDefaults) {
  const auto contents = Read(MakeSentencePiece);
  ASSERT_TRUE(contents.ok()) << contents.status();
  const GgufVocabulary& vocabulary = std::get<GgufVocabulary>(contents->tokenizer);
  EXPECT_EQ(vocabulary.scores, (std::vector<float>{0, 0, 0, -1.5f}));
  EXPECT_TRUE(vocabulary.add_bos);
  EXPECT_TRUE(vocabulary.add_space_prefix);
  EXPECT_EQ(contents->config.bos_token, 1);
  EXPECT_EQ(contents->config.end_tokens, (std::vector<TokenId>{2}));
}

TEST(GgufVocabularyTest, FlagsGoBeforeDefaults) {
  const auto contents = Read([](GgufWriter& w) {
    MakeSentencePiece(w);
    w.SetBool("tokenizer.ggml.add_bos_token", false).SetBool("tokenizer.ggml.add_space_prefix", false);
  });
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_FALSE(std::get<GgufVocabulary>(contents->tokenizer).add_bos);
  EXPECT_FALSE(std::get<GgufVocabulary>(contents->tokenizer).add_space_prefix);
}

// GGUF has no place for it, and llama.cpp goes by the name.
TEST(GgufVocabularyTest, ControlTokensOfPhi3TakeTheSpaceAfterThem) {
  for (const auto& [name, takes] : std::vector<std::pair<std::string, bool>>{
           {"Phi3", true}, {"microsoft Phi-3.5 mini instruct", true}, {"Phi 4", false}, {"Llama", false}}) {
    const auto contents = Read([name = name](GgufWriter& w) {
      MakeSentencePiece(w);
      w.SetString("general.name", name);
    });
    ASSERT_TRUE(contents.ok()) << contents.status();
    EXPECT_EQ(std::get<GgufVocabulary>(contents->tokenizer).controls_take_space_after, takes) << name;
  }
}

TEST(GgufVocabularyTest, BytePairVocabulariesBeginWithBosOnlyInFamiliesThatDo) {
  EXPECT_FALSE(std::get<GgufVocabulary>(Read([](GgufWriter&) {})->tokenizer).add_bos);
  const auto llama3 = Read([](GgufWriter& w) { w.SetString("tokenizer.ggml.pre", "llama-bpe"); });
  EXPECT_TRUE(std::get<GgufVocabulary>(llama3->tokenizer).add_bos);
}

TEST(GgufVocabularyTest, RefusesOtherTokenizers) {
  ExpectUnimplemented(Read([](GgufWriter& w) { w.SetString("tokenizer.ggml.model", "t5"); }).status(),
                      "\"t5\" is not supported; supported are gpt2 and llama");
}

TEST(GgufVocabularyTest, ChecksArraysAgainstEachOther) {
  ExpectInvalid(Read([](GgufWriter& w) {
                  w.SetInts("tokenizer.ggml.token_type", {1, 1, 1});
                }).status(),
                "tokenizer.ggml.token_type has 3 elements, but tokenizer.ggml.tokens has 4");
  ExpectInvalid(Read([](GgufWriter& w) {
                  w.SetInts("tokenizer.ggml.token_type", {1, 1, 1, 7});
                }).status(),
                "number 3, that is not from 0 to 6");
  ExpectInvalid(Read([](GgufWriter& w) {
                  w.SetStrings("tokenizer.ggml.token_type", {"", "", "", ""});
                }).status(),
                "number 0, that is not from 0 to 6");
  ExpectInvalid(Read([](GgufWriter& w) {
                  w.SetInts("tokenizer.ggml.tokens", {1, 2, 3, 4});
                }).status(),
                "tokenizer.ggml.tokens is an array of int32, not of strings");
  ExpectInvalid(Read([](GgufWriter& w) {
                  MakeSentencePiece(w);
                  w.Remove("tokenizer.ggml.scores");
                }).status(),
                "tokenizer.ggml.scores is missing");
}

TEST(GgufVocabularyTest, RefusesSpecialTokensOutsideTheVocabulary) {
  ExpectInvalid(Read([](GgufWriter& w) { w.SetUint32("tokenizer.ggml.eos_token_id", 4); }).status(),
                "tokenizer.ggml.eos_token_id is 4; it must be from 0 to 3");
  ExpectInvalid(Read([](GgufWriter& w) { w.SetUint32("tokenizer.ggml.bos_token_id", 0xFFFFFFFF); }).status(),
                "tokenizer.ggml.bos_token_id is 4294967295");
  ExpectInvalid(Read([](GgufWriter& w) { w.Remove("tokenizer.ggml.eos_token_id"); }).status(), "no token ends a reply");
}

TEST(GgufVocabularyTest, EndsRepliesAtTheTemplatesOwnLiteralIfItIsAControlToken) {
  const auto read = [](int32_t type, const char* chat_template) {
    return Read([&](GgufWriter& w) {
             w.SetStrings("tokenizer.ggml.tokens", {"<|im_end|>", "<s>", "</s>", "a"})
                 .SetInts("tokenizer.ggml.token_type", {type, 3, 3, 1})
                 .SetString("tokenizer.chat_template", chat_template);
           })
        ->config.end_tokens;
  };
  EXPECT_EQ(read(3, "{{ x }}<|im_end|>"), (std::vector<TokenId>{2, 0}));
  EXPECT_EQ(read(4, "{{ x }}<|im_end|>"), (std::vector<TokenId>{2, 0}));
  EXPECT_EQ(read(1, "{{ x }}<|im_end|>"), (std::vector<TokenId>{2}));  // ordinary text
  EXPECT_EQ(read(3, "{{ x }}"), (std::vector<TokenId>{2}));            // unused by the template
}

TEST(GgufVocabularyTest, EndsRepliesAtEndOfTurnKeysToo) {
  const auto contents = Read([](GgufWriter& w) { w.SetUint32("tokenizer.ggml.eot_token_id", 3); });
  EXPECT_EQ(contents->config.end_tokens, (std::vector<TokenId>{2, 3}));
}

TEST(GgufVocabularyTest, ReadsSamplingDefaults) {
  const auto contents = Read([](GgufWriter& w) {
    w.SetFloat("general.sampling.temp", 0.25f)
        .Set("general.sampling.top_k", GgufType::kInt32, Raw<int32_t>(20))
        .SetFloat("general.sampling.top_p", 0.75f);
  });
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ(contents->generation.temperature, 0.25f);
  EXPECT_EQ(contents->generation.top_k, 20);
  EXPECT_EQ(contents->generation.top_p, 0.75f);
  EXPECT_EQ(contents->generation.min_p, std::nullopt);
}

}  // namespace
}  // namespace perennial
