#include "model/eval/text_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tests/model/eval/eval_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

std::string WriteFile(const std::string& text, const std::string& name = "text_tokens_test.txt") {
  const std::string path = ::testing::TempDir() + "/" + name;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

// One token per byte, with what no tokenizer takes: a text that ends or begins inside a character of UTF-8.
absl::StatusOr<std::vector<TokenId>> EncodeWhole(absl::string_view text) {
  const bool cut = !text.empty() && ((static_cast<unsigned char>(text.front()) & 0xC0) == 0x80 ||
                                     static_cast<unsigned char>(text.back()) == 0xC3);
  if (cut) return absl::InvalidArgumentError("not UTF-8");
  return EncodeBytes(text);
}

TEST(TextTokensTest, GivesTheFirstTokensOrAll) {
  const std::string path = WriteFile("hello world");
  EXPECT_EQ(ValueOf(FirstTokens({path}, 4, EncodeWhole)), (std::vector<TokenId>{'h', 'e', 'l', 'l'}));
  EXPECT_EQ(ValueOf(FirstTokens({path}, 0, EncodeWhole)).size(), 11u);
}

TEST(TextTokensTest, ReadsOnlyAsMuchOfALongTextAsItNeeds) {
  size_t longest = 0;
  const auto tokens = FirstTokens({WriteFile(std::string(1'000'000, 'a'))}, 100, [&](absl::string_view text) {
    longest = std::max(longest, text.size());
    return EncodeBytes(text);
  });
  ASSERT_TRUE(tokens.ok());
  EXPECT_EQ(tokens->size(), 100u);
  EXPECT_LT(longest, 5000u);
}

TEST(TextTokensTest, TakesMoreWhereTokensAreLong) {
  // Forty bytes per token: the first piece is too short.
  const auto tokens = FirstTokens({WriteFile(std::string(100'000, 'a'))}, 500, [](absl::string_view text) {
    return absl::StatusOr<std::vector<TokenId>>(std::vector<TokenId>(text.size() / 40, 1));
  });
  EXPECT_EQ(ValueOf(tokens).size(), 500u);
}

TEST(TextTokensTest, PiecesTogetherAreTheText) {
  std::string text;
  for (int i = 0; i < 30'000; ++i) text += i % 13 == 0 ? "\n" : i % 7 == 0 ? "\n\n" : "word ";
  size_t pieces = 0;
  const auto tokens = FirstTokens({WriteFile(text)}, 0, [&](absl::string_view piece) {
    ++pieces;
    return EncodeBytes(piece);
  });
  EXPECT_EQ(ValueOf(tokens), *EncodeBytes(text));
  EXPECT_GT(pieces, 1u);
}

TEST(TextTokensTest, CutsAfterALoneLineBreakBetweenWords) {
  EXPECT_EQ(PieceBytes("one\ntwo\nthree", 6), 4u);
  EXPECT_EQ(PieceBytes("one\ntwo\nthree", 8), 8u);
  EXPECT_EQ(PieceBytes("one\ntwo", 100), 7u);
  EXPECT_EQ(PieceBytes("one\n\ntwo\n three", 12), 12u) << "no good cut: not beside other white space";
  EXPECT_EQ(PieceBytes("one\n\xC3\xA4two", 8), 8u) << "nor beside a character that may be white space";
}

TEST(TextTokensTest, NeverCutsInsideACharacter) {
  std::string text = "x";  // so that characters lie across every even cut
  for (int i = 0; i < 50'000; ++i) text += "\xC3\xA4";
  EXPECT_EQ(ValueOf(FirstTokens({WriteFile(text)}, 0, EncodeWhole)).size(), text.size());
  EXPECT_EQ(PieceBytes("\xC3\xA4\xC3\xA4", 1), 2u);
}

TEST(TextTokensTest, TakesSeveralFilesAndDirectories) {
  const std::string a = WriteFile("aa", "texts/b_first.txt");
  WriteFile("bb", "texts/c_second.txt");
  WriteFile("no text", "texts/a.md");
  const std::string directory = std::filesystem::path(a).parent_path().string();
  const std::string last = WriteFile("cc", "last.text");
  EXPECT_EQ(ValueOf(FirstTokens({directory, last}, 0, EncodeWhole)), *EncodeBytes("aabbcc"));
  EXPECT_EQ(ValueOf(FirstTokens({directory, last}, 3, EncodeWhole)), *EncodeBytes("aab"));
  const std::string empty = ::testing::TempDir() + "/empty_directory";
  std::filesystem::create_directories(empty);
  EXPECT_EQ(FirstTokens({empty}, 0, EncodeWhole).status().code(), absl::StatusCode::kNotFound);
}

TEST(TextTokensTest, SaysWhatIsMissing) {
  const auto few = FirstTokens({WriteFile("short")}, 100, EncodeWhole);
  EXPECT_EQ(few.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(MessageOf(few), HasSubstr("has 5 tokens, but 100 were asked for"));
  EXPECT_EQ(FirstTokens({"no such file"}, 1, EncodeWhole).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FirstTokens({WriteFile("a")}, -1, EncodeWhole).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadTextFile(::testing::TempDir()).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace perennial
