#include "model/text/json_constraint.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/text/tokenizer.h"
#include "tests/model/text/text_fixture.h"

namespace perennial {
namespace {

using testing::HasSubstr;

constexpr char kSchema[] = R"({"type":"object","properties":{"city":{"type":"string","maxLength":20},"people":
    {"type":"integer"}},"required":["city","people"],"additionalProperties":false})";

bool Allows(const TokenConstraint& constraint, TokenId token) {
  const size_t word = static_cast<size_t>(token) / 32;
  return word < constraint.allowed().size() && (constraint.allowed()[word] >> (token % 32) & 1) != 0;
}

std::vector<TokenId> AllowedTokens(const TokenConstraint& constraint) {
  std::vector<TokenId> tokens;
  const auto count = static_cast<TokenId>(constraint.allowed().size() * 32);
  for (TokenId token = 0; token < count; ++token) {
    if (Allows(constraint, token)) tokens.push_back(token);
  }
  return tokens;
}

TEST(JsonConstraintTest, AModelsOwnTokenizationIsAllowed) {
  auto constraint = MakeJsonConstraint(DefaultTokenizer(), kSchema);
  ASSERT_TRUE(constraint.ok()) << constraint.status();
  const auto tokens = DefaultTokenizer().EncodeText(R"({"city": "Zürich", "people": 443037})");
  ASSERT_TRUE(tokens.ok());
  for (TokenId token : *tokens) {
    EXPECT_FALSE((*constraint)->complete());
    ASSERT_TRUE(Allows(**constraint, token)) << DefaultTokenizer().TokenBytes(token);
    ASSERT_TRUE((*constraint)->Accept(token).ok());
  }
  EXPECT_TRUE((*constraint)->complete());
  EXPECT_THAT(AllowedTokens(**constraint), testing::IsEmpty()) << "nothing can follow";
}

TEST(JsonConstraintTest, NoControlTokenAndNoForbiddenTextIsAllowed) {
  auto constraint = MakeJsonConstraint(DefaultTokenizer(), kSchema);
  ASSERT_TRUE(constraint.ok());
  const std::vector<TokenId> allowed = AllowedTokens(**constraint);
  EXPECT_FALSE(allowed.empty());
  for (TokenId token : allowed) {
    ASSERT_FALSE(DefaultTokenizer().IsControl(token));
    ASSERT_EQ(DefaultTokenizer().TokenBytes(token).find_first_not_of(" \t\r\n{\""), std::string::npos);
  }
}

// Any walk through what is allowed ends in JSON that satisfies the schema; with both kinds of vocabulary.
TEST(JsonConstraintTest, RandomWalksEndInTheSchema) {
  const auto sentence_piece = Tokenizer::Create(SentencePieceVocabulary(), "");
  ASSERT_TRUE(sentence_piece.ok());
  for (const Tokenizer* tokenizer : {&DefaultTokenizer(), const_cast<const Tokenizer*>(sentence_piece->get())}) {
    for (uint32_t seed = 0; seed < 20; ++seed) {
      std::mt19937 random(seed);
      auto constraint = MakeJsonConstraint(*tokenizer, kSchema);
      ASSERT_TRUE(constraint.ok()) << constraint.status();
      std::string text;
      for (int i = 0; i < 5000; ++i) {
        const std::vector<TokenId> allowed = AllowedTokens(**constraint);
        if ((*constraint)->complete() && (allowed.empty() || random() % 2 == 0)) break;
        ASSERT_FALSE(allowed.empty());
        const TokenId token = allowed[random() % allowed.size()];
        text += tokenizer->TokenBytes(token);
        ASSERT_TRUE((*constraint)->Accept(token).ok());
      }
      const nlohmann::json value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
      ASSERT_TRUE(value.is_object() && value.size() == 2) << text;
      EXPECT_TRUE(value["city"].is_string() && value["people"].is_number_integer()) << text;
    }
  }
}

TEST(JsonConstraintTest, OutlivesItsTokenizer) {
  auto tokenizer = Tokenizer::Create(SentencePieceVocabulary(), "");
  ASSERT_TRUE(tokenizer.ok());
  auto constraint = MakeJsonConstraint(**tokenizer, R"({"type":"boolean"})");
  ASSERT_TRUE(constraint.ok());
  tokenizer->reset();
  const std::vector<TokenId> allowed = AllowedTokens(**constraint);
  ASSERT_FALSE(allowed.empty());
  EXPECT_TRUE((*constraint)->Accept(allowed[0]).ok());
}

TEST(JsonConstraintTest, ATokenThatIsNotAllowedIsAnErrorAndNoMore) {
  auto constraint = MakeJsonConstraint(DefaultTokenizer(), kSchema);
  ASSERT_TRUE(constraint.ok());
  const absl::Status status = (*constraint)->Accept(DefaultTokenizer().vocab_size() + 7);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), testing::StartsWith("sampling.json_schema: "));
  EXPECT_TRUE((*constraint)->allowed().empty());
}

TEST(JsonConstraintTest, SaysWhyASchemaIsRefused) {
  const auto why = [](const std::string& schema) {
    const absl::Status status = MakeJsonConstraint(DefaultTokenizer(), schema).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << schema;
    EXPECT_EQ(status.message().find('\n'), absl::string_view::npos);
    return std::string(status.message());
  };
  EXPECT_THAT(why("{"), HasSubstr("is not JSON"));
  EXPECT_THAT(why("true"), HasSubstr("is not a JSON object"));
  EXPECT_THAT(why("\xff"), HasSubstr("is not JSON"));
  EXPECT_THAT(why(R"({"type":"string","pattern":"("})"), testing::Not(testing::IsEmpty()));
  EXPECT_THAT(why(R"({"type":"string","not":{"const":"a"}})"), HasSubstr("not"));
}

}  // namespace
}  // namespace perennial
