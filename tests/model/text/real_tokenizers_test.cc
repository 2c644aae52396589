// Tokenizers of published models against the software that they were made for: 2,500 strings each, from tokenizer.json
// and from GGUF's arrays. The files are fetched by `./dev setup tokenizers`; tests/golden/text/real_tokenizers.json has
// the digests of what Python's `tokenizers` and llama.cpp make of the strings.

#include "tests/model/text/real_tokenizers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

const nlohmann::json& RealGolden() {
  static const auto& golden = *new nlohmann::json(Golden("real_tokenizers.json"));
  return golden;
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  const nlohmann::json& tokenizers = RealGolden()["tokenizers"];
  for (const auto& entry : tokenizers.items()) names.push_back(entry.key());
  return names;
}

std::string ShortDigest(const std::vector<TokenId>& tokens) {
  const absl::string_view bytes(reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof(TokenId));
  const uint64_t value = Fnv1a(bytes);
  return absl::StrFormat("%04x", (value ^ value >> 16 ^ value >> 32 ^ value >> 48) & 0xFFFF);
}

// The same vocabulary as tokenizer.json, for GGUF files where llama.cpp departs from the tokenizer that the model was
// trained with on a few strings, and ours does not: tekken's letters with marks, which llama.cpp's pattern takes for
// others; Falcon's bytes without a token, whose place between their neighbours llama.cpp keeps.
const nlohmann::json* Original(const std::string& name) {
  static const auto& originals = *new std::map<std::string, std::string>{
      {"tekken.gguf", "tekken/tokenizer.json"}, {"ggml-vocab-falcon.gguf", "falcon/tokenizer.json"}};
  const auto found = originals.find(name);
  return found == originals.end() ? nullptr : &RealGolden()["tokenizers"][found->second];
}

// Where ours is not the reference's on purpose, and why. Nothing else may differ.
bool DiffersOnPurpose(const std::string& name, const std::string& text) {
  // llama.cpp takes "</s>" for a control token in every vocabulary that has it. In these the file says that it is text.
  if (name == "qwen3.gguf" || name == "gemma3.gguf" || absl::StartsWith(name, "ggml-vocab-qwen") ||
      name == "ggml-vocab-phi-3.gguf") {
    return absl::StrContains(text, "</s>");
  }
  return false;
}

enum class Reading { kRendered, kText };

// What `golden` says of string `i`.
std::string ExpectedDigest(const nlohmann::json& golden, Reading reading, size_t i) {
  const nlohmann::json& of_text = golden["text_where_it_differs"];
  const std::string key = absl::StrCat(i);
  if (reading == Reading::kText && of_text.contains(key)) return of_text[key];
  return golden["rendered"].get_ref<const std::string&>().substr(4 * i, 4);
}

// Indexes of the strings whose tokens are not the reference's.
std::vector<size_t> Differing(const Tokenizer& tokenizer, const nlohmann::json& golden, Reading reading) {
  std::vector<size_t> differing;
  uint64_t all = Fnv1a("");
  for (size_t i = 0; i < RealStrings().size(); ++i) {
    const std::string& text = RealStrings()[i];
    auto tokens = reading == Reading::kText ? tokenizer.EncodeText(text) : tokenizer.EncodeRendered(text);
    if (!tokens.ok()) {
      ADD_FAILURE() << tokens.status() << " " << nlohmann::json(text);
      continue;
    }
    if (ShortDigest(*tokens) != ExpectedDigest(golden, reading, i)) differing.push_back(i);
    std::vector<TokenId> counted = {static_cast<TokenId>(tokens->size())};
    counted.insert(counted.end(), tokens->begin(), tokens->end());
    all = Fnv1a({reinterpret_cast<const char*>(counted.data()), counted.size() * sizeof(TokenId)}, all);
  }
  if (differing.empty()) {
    EXPECT_EQ(absl::StrFormat("%016x", all), golden[reading == Reading::kText ? "text_all" : "rendered_all"]);
  }
  return differing;
}

class RealTokenizerTest : public ::testing::TestWithParam<std::string> {
 protected:
  const nlohmann::json& golden() const { return RealGolden()["tokenizers"][GetParam()]; }
};

TEST(RealTokenizersTest, TheStringsAreTheReferences) {
  std::string packed;
  for (const std::string& text : RealStrings()) {
    const auto size = static_cast<uint32_t>(text.size());
    packed.append(reinterpret_cast<const char*>(&size), sizeof size);
    packed += text;
  }
  EXPECT_EQ(RealStrings().size(), RealGolden()["num_strings"]);
  EXPECT_EQ(absl::StrFormat("%016x", Fnv1a(packed)), RealGolden()["strings"]) << "run ./dev setup tokenizers";
}

// Rather than tokenized wrongly.
TEST(RealTokenizersTest, VocabulariesOfOtherKindsAreRefusedByName) {
  for (const auto& [name, why] : std::map<std::string, std::string>{
           {"ggml-vocab-gpt-neox.gguf", "tokenizer.ggml.pre is \"\", which is unknown; supported: falcon"},
           {"ggml-vocab-deepseek-llm.gguf", "tokenizer.ggml.pre is \"deepseek-llm\", which is unknown"},
           {"ggml-vocab-gemma-4.gguf", "tokenizer.ggml.model \"gemma4\" is not supported"},
           {"ggml-vocab-nomic-bert-moe.gguf", "tokenizer.ggml.model \"t5\" is not supported"}}) {
    const absl::Status status = OpenRealTokenizer(name).status();
    EXPECT_FALSE(status.ok()) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
  }
}

TEST_P(RealTokenizerTest, TokensEqualTheReferences) {
  const std::unique_ptr<Tokenizer> tokenizer = RealTokenizer(GetParam());
  ASSERT_NE(tokenizer, nullptr);
  for (const auto& example : golden()["examples"]) {
    const std::string text = example["text"];
    if (DiffersOnPurpose(GetParam(), text)) continue;
    EXPECT_EQ(*tokenizer->EncodeText(text), example["plain"].get<std::vector<TokenId>>()) << example["text"];
    EXPECT_EQ(*tokenizer->EncodeRendered(text), example["rendered"].get<std::vector<TokenId>>()) << example["text"];
  }
  for (const Reading reading : {Reading::kRendered, Reading::kText}) {
    int on_purpose = 0;
    std::vector<std::string> unexpected;
    for (const size_t i : Differing(*tokenizer, golden(), reading)) {
      const std::string& text = RealStrings()[i];
      const auto tokens = reading == Reading::kText ? tokenizer->EncodeText(text) : tokenizer->EncodeRendered(text);
      const nlohmann::json* const original = Original(GetParam());
      const bool is_originals = original != nullptr && ShortDigest(*tokens) == ExpectedDigest(*original, reading, i);
      if (is_originals || DiffersOnPurpose(GetParam(), text)) {
        ++on_purpose;
      } else {
        unexpected.push_back(
            absl::StrCat("#", i, " ", nlohmann::json(text).dump(-1, ' ', true), ": ", absl::StrJoin(*tokens, " ")));
      }
    }
    EXPECT_EQ(absl::StrJoin(unexpected, "\n"), "") << unexpected.size() << " differ from " << golden()["reference"];
    EXPECT_LE(on_purpose, 30);
    RecordProperty(reading == Reading::kText ? "text_on_purpose" : "rendered_on_purpose", on_purpose);
  }
}

// What the tokens of a text cannot give back, and why.
bool ChangesText(const std::string& name, const std::string& text) {
  const auto is_ascii = [](char c) { return static_cast<signed char>(c) >= 0; };
  const auto is_rare_control = [](char c) { return static_cast<uint8_t>(c) < 0x20 && c != '\t' && c != '\n'; };
  if (absl::StrContains(text, "\xE2\x96\x81")) return true;  // SentencePiece's mark reads as a space
  if (name == "qwen3/tokenizer.json" || name == "neox/tokenizer.json") {
    return !std::all_of(text.begin(), text.end(), is_ascii);  // NFC
  }
  if (absl::StrContains(name, "falcon") || absl::StartsWith(name, "smollm2")) {
    return std::any_of(text.begin(), text.end(), is_rare_control);  // no token
  }
  return name == "ggml-vocab-phi-3.gguf" && absl::StrContains(text, "</s>");  // swallows the space after it
}

// So that a reply reads as the model wrote it.
TEST_P(RealTokenizerTest, BytesOfTheTokensAreTheText) {
  const std::unique_ptr<Tokenizer> tokenizer = RealTokenizer(GetParam());
  ASSERT_NE(tokenizer, nullptr);
  int same = 0;
  for (const std::string& text : RealStrings()) {
    const std::string expected = tokenizer->adds_leading_space() && !text.empty() ? absl::StrCat(" ", text) : text;
    const std::string bytes = BytesOf(*tokenizer, *tokenizer->EncodeText(text));
    if (bytes == expected) ++same;
    EXPECT_TRUE(bytes == expected || ChangesText(GetParam(), text)) << nlohmann::json(text) << nlohmann::json(bytes);
  }
  EXPECT_GT(same, 2000);
}

// Whatever is typed. Pieces are whole and broken literals of this very tokenizer.
TEST_P(RealTokenizerTest, TypedTextNeverBecomesAControlToken) {
  const std::unique_ptr<Tokenizer> tokenizer = RealTokenizer(GetParam());
  ASSERT_NE(tokenizer, nullptr);
  const std::vector<std::string> literals = ControlLiterals(*tokenizer, GetParam());
  ASSERT_FALSE(literals.empty());
  std::vector<std::string> texts = RealStrings();
  for (const std::string& literal : literals) {
    EXPECT_NE(tokenizer->ControlToken(literal), kNoToken) << literal;
    texts.push_back(literal);
    texts.push_back(absl::StrCat("a", literal, literal, "b\n", literal, " "));
    texts.push_back(absl::StrCat(literal.substr(0, 1), "\xEF\xB7\x90", literal.substr(1)));  // U+FDD0
  }
  std::mt19937 random(11);
  const std::vector<std::string> glue = {" ", "\n", "a", "<", ">", "|", "\xEF\xB7\x90", "\xE2\x96\x81", "\xCC\x81"};
  for (int i = 0; i < 1000; ++i) {
    std::string text;
    for (size_t pieces = random() % 10; pieces > 0; --pieces) {
      const std::string& literal = literals[random() % literals.size()];
      const size_t cut = random() % (literal.size() + 1);
      const bool is_boundary = cut == literal.size() || (static_cast<uint8_t>(literal[cut]) & 0xC0) != 0x80;
      absl::StrAppend(&text, is_boundary && random() % 2 == 0 ? literal.substr(0, cut) : literal,
                      glue[random() % glue.size()]);
    }
    texts.push_back(text);
  }
  for (const std::string& text : texts) {
    auto tokens = tokenizer->EncodeText(text);
    ASSERT_TRUE(tokens.ok()) << tokens.status();
    EXPECT_TRUE(std::none_of(tokens->begin(), tokens->end(), [&](TokenId token) {
      return tokenizer->IsControl(token);
    })) << nlohmann::json(text);
  }
}

INSTANTIATE_TEST_SUITE_P(All, RealTokenizerTest, ::testing::ValuesIn(Names()),
                         [](const auto& info) { return TestName(info.param); });

}  // namespace
}  // namespace perennial
