#include "model/text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/model/text/text_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::string_view kSentinel = "\xEF\xB7\x90";  // U+FDD0

std::vector<TokenId> Controls(const Tokenizer& tokenizer, const std::vector<TokenId>& tokens) {
  std::vector<TokenId> controls;
  std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(controls),
               [&](TokenId token) { return tokenizer.IsControl(token); });
  return controls;
}

std::unique_ptr<Tokenizer> FromGolden(const std::string& name, absl::string_view chat_template = "") {
  auto tokenizer = Tokenizer::Create(TokenizerJson{.json = Golden(name)["tokenizer"].dump()}, chat_template);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

TEST(TokenizerTest, GgufByteLevelTokensEqualLlamaCpps) {
  const Tokenizer& tokenizer = DefaultTokenizer();
  const nlohmann::json golden = Golden("smollm2_golden.json");
  ASSERT_GE(golden["texts"].size(), 200u);
  for (const auto& text : golden["texts"]) {
    auto tokens = tokenizer.EncodeText(text["text"].get<std::string>());
    ASSERT_TRUE(tokens.ok()) << tokens.status();
    EXPECT_EQ(*tokens, text["tokens"].get<std::vector<TokenId>>()) << text["text"];
  }
}

TEST(TokenizerTest, SentencePieceTokensEqualSentencePieces) {
  auto tokenizer = Tokenizer::Create(SentencePieceVocabulary(), "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto golden_file = Golden("sentence_piece.json");
  for (const auto& text : golden_file["texts"]) {
    auto tokens = (*tokenizer)->EncodeText(text["text"].get<std::string>());
    ASSERT_TRUE(tokens.ok()) << tokens.status();
    EXPECT_EQ(*tokens, text["tokens"].get<std::vector<TokenId>>()) << text["text"];
  }
}

TEST(TokenizerTest, TokenizerJsonTokensEqualPythons) {
  for (const char* name : {"byte_level.json", "llama2_like.json"}) {
    std::unique_ptr<Tokenizer> tokenizer = FromGolden(name);
    const nlohmann::json golden = Golden(name);
    for (const auto& text : golden["texts"]) {
      auto tokens = tokenizer->EncodeText(text["text"].get<std::string>());
      ASSERT_TRUE(tokens.ok()) << tokens.status();
      EXPECT_EQ(*tokens, text["tokens"].get<std::vector<TokenId>>()) << name << " " << text["text"];
    }
    for (const auto& text : golden["rendered"]) {
      auto tokens = tokenizer->EncodeRendered(text["text"].get<std::string>());
      ASSERT_TRUE(tokens.ok()) << tokens.status();
      EXPECT_EQ(*tokens, text["tokens"].get<std::vector<TokenId>>()) << name << " " << text["text"];
    }
  }
}

TEST(TokenizerTest, BytesOfTheTokensAreTheText) {
  const std::unique_ptr<Tokenizer> byte_level = FromGolden("byte_level.json");
  const std::unique_ptr<Tokenizer> space_marks = FromGolden("llama2_like.json");
  const std::unique_ptr<Tokenizer> sentence_piece = *Tokenizer::Create(SentencePieceVocabulary(), "");
  EXPECT_FALSE(DefaultTokenizer().adds_leading_space());
  EXPECT_FALSE(byte_level->adds_leading_space());
  EXPECT_TRUE(space_marks->adds_leading_space());
  EXPECT_TRUE(sentence_piece->adds_leading_space());
  const auto golden_file = Golden("smollm2_golden.json");
  for (const auto& golden : golden_file["texts"]) {
    const std::string text = golden["text"].get<std::string>();
    if (text.empty()) continue;
    EXPECT_EQ(BytesOf(DefaultTokenizer(), *DefaultTokenizer().EncodeText(text)), text);
    EXPECT_EQ(BytesOf(*byte_level, *byte_level->EncodeText(text)), text);
    if (text.find("\xE2\x96\x81") != std::string::npos) continue;  // the mark itself reads as a space
    EXPECT_EQ(BytesOf(*space_marks, *space_marks->EncodeText(text)), " " + text);
    EXPECT_EQ(BytesOf(*sentence_piece, *sentence_piece->EncodeText(text)), " " + text);
  }
}

TEST(TokenizerTest, ControlTokensHaveNoBytesAndAreFoundByTheirLiteral) {
  const Tokenizer& tokenizer = DefaultTokenizer();
  EXPECT_EQ(tokenizer.ControlToken("<|im_start|>"), 1);
  EXPECT_EQ(tokenizer.ControlToken("<|im_end|>"), 2);
  EXPECT_EQ(tokenizer.ControlToken("hello"), kNoToken);
  EXPECT_EQ(tokenizer.ControlToken("\xFF"), kNoToken);
  EXPECT_EQ(tokenizer.TokenBytes(1), "");
  EXPECT_TRUE(tokenizer.IsControl(1));
  EXPECT_FALSE(tokenizer.IsControl(1000));
}

TEST(TokenizerTest, TokensOutOfRangeHaveNoBytes) {
  const Tokenizer& tokenizer = DefaultTokenizer();
  EXPECT_EQ(tokenizer.vocab_size(), 49152);
  for (TokenId token : {-1, tokenizer.vocab_size(), 2147483647, -2147483647}) {
    EXPECT_EQ(tokenizer.TokenBytes(token), "");
    EXPECT_FALSE(tokenizer.IsControl(token));
  }
}

TEST(TokenizerTest, EveryControlLiteralIsTextWhenTyped) {
  const std::unique_ptr<Tokenizer> byte_level = FromGolden("byte_level.json", "{{ '<think></think>' }}");
  for (const Tokenizer* tokenizer : {&DefaultTokenizer(), static_cast<const Tokenizer*>(byte_level.get())}) {
    int literals = 0;
    for (const char* literal : {"<|im_start|>",
                                "<|im_end|>",
                                "<|endoftext|>",
                                "<repo_name>",
                                "<reponame>",
                                "<file_sep>",
                                "<filename>",
                                "<gh_stars>",
                                "<issue_start>",
                                "<issue_comment>",
                                "<issue_closed>",
                                "<jupyter_start>",
                                "<jupyter_text>",
                                "<jupyter_code>",
                                "<jupyter_output>",
                                "<jupyter_script>",
                                "<empty_output>",
                                "<|begin_of_text|>",
                                "<|eot_id|>",
                                "<|start_header_id|>",
                                "<|end_header_id|>",
                                "<|tool|>",
                                "<\xEF\xBD\x9CUser\xEF\xBD\x9C>"}) {
      if (tokenizer->ControlToken(literal) == kNoToken) continue;
      ++literals;
      for (const std::string& text :
           {std::string(literal), absl::StrCat("a", literal, literal, "b"), absl::StrCat(" ", literal, "\n"),
            absl::StrCat(std::string(literal).substr(0, 1), kSentinel, std::string(literal).substr(1)),
            absl::StrCat(kSentinel, literal, kSentinel)}) {
        auto tokens = tokenizer->EncodeText(text);
        ASSERT_TRUE(tokens.ok()) << tokens.status();
        EXPECT_THAT(Controls(*tokenizer, *tokens), IsEmpty()) << text;
      }
      EXPECT_EQ(tokenizer->EncodeRendered(literal)->size(), 1u) << literal;
    }
    EXPECT_GE(literals, 6);
  }
}

TEST(TokenizerTest, LiteralsThatTheTemplateNamesAreTextWhenTyped) {
  const TokenId think = FromGolden("byte_level.json")->EncodeText("</think>")->front();
  EXPECT_EQ(FromGolden("byte_level.json")->EncodeText("</think>")->size(), 1u);
  const std::unique_ptr<Tokenizer> tokenizer = FromGolden("byte_level.json", "{{ '</think>' }}");
  EXPECT_GT(tokenizer->EncodeText("</think>")->size(), 1u);
  EXPECT_EQ(*tokenizer->EncodeRendered("</think>"), std::vector<TokenId>{think});
  EXPECT_EQ(tokenizer->TokenBytes(think), "</think>") << "a reply shows it";
}

TEST(TokenizerTest, RandomMixturesOfControlPiecesNeverForge) {
  const Tokenizer& tokenizer = DefaultTokenizer();
  const std::vector<std::string> pieces = {
      "<|im_end|>", "<|im_start|>",         "<|",    "|>",    "im_end",     "<", ">", " ", "\n",
      "a",          std::string(kSentinel), "<|im_", "end|>", "<repo_name>"};
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (int n = random() % 12; n >= 0; --n) text += pieces[random() % pieces.size()];
    auto tokens = tokenizer.EncodeText(text);
    ASSERT_TRUE(tokens.ok()) << tokens.status();
    EXPECT_THAT(Controls(tokenizer, *tokens), IsEmpty()) << text;
  }
}

TEST(TokenizerTest, TextThatIsNotUtf8IsRefused) {
  for (const char* text : {"\xFF", "a\xC3", "\xED\xA0\x80", "\xC0\xAF", "\xF4\x90\x80\x80"}) {
    EXPECT_EQ(DefaultTokenizer().EncodeText(text).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(DefaultTokenizer().EncodeRendered(text).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(TokenizerTest, ALongRunOfOneCharacterIsNotQuadratic) {
  const std::unique_ptr<Tokenizer> byte_level = FromGolden("byte_level.json");
  const std::unique_ptr<Tokenizer> sentence_piece = *Tokenizer::Create(SentencePieceVocabulary(), "");
  for (const Tokenizer* tokenizer : {&DefaultTokenizer(), static_cast<const Tokenizer*>(byte_level.get()),
                                     static_cast<const Tokenizer*>(sentence_piece.get())}) {
    for (char c : {'a', ' ', '\n', '<', '1', '\''}) {
      const std::string text(300'000, c);
      const absl::Time begin = absl::Now();
      auto tokens = tokenizer->EncodeText(text);
      EXPECT_LT(absl::Now() - begin, absl::Seconds(60)) << "quadratic in '" << c << "'";
      ASSERT_TRUE(tokens.ok()) << tokens.status();
      const bool adds_space = tokenizer->adds_leading_space();
      EXPECT_EQ(BytesOf(*tokenizer, *tokens).size(), text.size() + (adds_space ? 1 : 0));
    }
  }
}

TEST(TokenizerTest, MoreThanTheRegularExpressionsStackHoldsIsAnError) {
  auto tokens = DefaultTokenizer().EncodeText(std::string(4 << 20, ' ') + "x");
  EXPECT_EQ(tokens.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(tokens.status().message()), HasSubstr("regular expression gave up"));
}

TEST(TokenizerTest, ARegularExpressionThatGivesUpIsAnErrorNotOtherTokens) {
  nlohmann::json json = Golden("byte_level.json")["tokenizer"];
  json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "(?:a+)+(?!a)\\b(?=z)|.";
  auto tokenizer = Tokenizer::Create(TokenizerJson{.json = json.dump()}, "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  auto tokens = (*tokenizer)->EncodeText(std::string(400, 'a') + "b");
  EXPECT_EQ(tokens.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(tokens.status().message()), HasSubstr("regular expression gave up"));
}

TEST(TokenizerTest, BrokenSourcesAreRefusedWithTheReason) {
  const auto error = [](TokenizerSource source) {
    auto tokenizer = Tokenizer::Create(source, "");
    EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(tokenizer.status().message());
  };
  EXPECT_THAT(error(TokenizerJson{.json = ""}), HasSubstr("tokenizer"));
  EXPECT_THAT(error(TokenizerJson{.json = "{}"}), HasSubstr("Model missing"));
  EXPECT_THAT(error(TokenizerJson{.json = std::string(100000, '[')}), HasSubstr("tokenizer"));
  GgufVocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "gpt-2";
  EXPECT_THAT(error(vocabulary), HasSubstr("tokens is empty"));
  vocabulary.tokens = {"a", "b", "ab"};
  EXPECT_THAT(error(vocabulary), HasSubstr("token_type has 0 values"));
  vocabulary.types = {1, 1, 1};
  vocabulary.merges = {"a c"};
  EXPECT_THAT(error(vocabulary), HasSubstr("out of vocabulary"));
  vocabulary.merges = {"ab"};
  EXPECT_THAT(error(vocabulary), HasSubstr("merges[0]"));
  vocabulary.merges = {"a b"};
  EXPECT_TRUE(Tokenizer::Create(vocabulary, "").ok());
  vocabulary.pre = "nonesuch";
  EXPECT_THAT(error(vocabulary),
              HasSubstr("supported: falcon, gpt-2, llama-bpe, mpt, olmo, qwen2, qwen35, smollm, tekken"));
  vocabulary.model = "t5";
  EXPECT_THAT(error(vocabulary), HasSubstr("tokenizer.ggml.model is \"t5\""));
  vocabulary.model = "llama";
  EXPECT_THAT(error(vocabulary), HasSubstr("scores has 0 values"));
}

TEST(TokenizerTest, AVocabularyThatMergesTextIntoAControlTokenIsAnErrorOfTheText) {
  GgufVocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "gpt-2";
  vocabulary.tokens = {"<", ">", "<>"};
  vocabulary.types = {1, 1, 3};
  vocabulary.merges = {"< >"};
  auto tokenizer = Tokenizer::Create(vocabulary, "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(std::string((*tokenizer)->EncodeText("<>").status().message()), HasSubstr("into control token 2"));
}

}  // namespace
}  // namespace perennial
