#include "model/eval/text_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

// One token per byte; a text that ends inside a UTF-8 character is an error, as with the real tokenizer.
absl::StatusOr<std::vector<TokenId>> EncodeBytes(absl::string_view text) {
  if (!text.empty() && (static_cast<unsigned char>(text.back()) == 0xC3)) {
    return absl::InvalidArgumentError("not UTF-8");
  }
  std::vector<TokenId> tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

std::string WriteFile(const std::string& text) {
  const std::string path = ::testing::TempDir() + "/text_tokens_test.txt";
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

TEST(TextTokensTest, GivesTheFirstTokens) {
  const auto tokens = FirstTokens(WriteFile("hello world"), 4, EncodeBytes);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_EQ(*tokens, (std::vector<TokenId>{'h', 'e', 'l', 'l'}));
}

TEST(TextTokensTest, ReadsOnlyAsMuchOfALongTextAsItNeeds) {
  size_t longest = 0;
  const auto tokens = FirstTokens(WriteFile(std::string(1'000'000, 'a')), 100, [&](absl::string_view text) {
    longest = std::max(longest, text.size());
    return EncodeBytes(text);
  });
  ASSERT_TRUE(tokens.ok());
  EXPECT_EQ(tokens->size(), 100u);
  EXPECT_LT(longest, 5000u);
}

TEST(TextTokensTest, TakesMoreWhereTokensAreLong) {
  // Forty bytes per token: the first guess is too short.
  const auto tokens = FirstTokens(WriteFile(std::string(100'000, 'a')), 500, [](absl::string_view text) {
    return absl::StatusOr<std::vector<TokenId>>(std::vector<TokenId>(text.size() / 40, 1));
  });
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_EQ(tokens->size(), 500u);
}

TEST(TextTokensTest, NeverCutsInsideACharacter) {
  std::string text = "x";  // so that characters lie across every even cut
  for (int i = 0; i < 5000; ++i) text += "\xC3\xA4";
  EXPECT_TRUE(FirstTokens(WriteFile(text), 100, EncodeBytes).ok());
}

TEST(TextTokensTest, SaysWhatIsMissing) {
  const auto few = FirstTokens(WriteFile("short"), 100, EncodeBytes);
  EXPECT_EQ(few.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(few.status().message()), HasSubstr("has 5 tokens, but 100 were asked for"));
  EXPECT_EQ(FirstTokens("no such file", 1, EncodeBytes).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FirstTokens(WriteFile("a"), 0, EncodeBytes).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace perennial
