#include "client/command/utf8.h"

#include "gtest/gtest.h"

namespace perennial {
namespace {

TEST(Utf8Test, AcceptsWellFormedText) {
  for (const char* text : {"", "plain", "Grüße", "世界", "🙂", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(FindInvalidUtf8(text), std::nullopt) << text;
  }
}

TEST(Utf8Test, FindsTheFirstByteThatIsNotText) {
  EXPECT_EQ(FindInvalidUtf8("ab\xff"), 2U);
  EXPECT_EQ(FindInvalidUtf8("ü\x80"), 2U) << "a continuation by itself";
  EXPECT_EQ(FindInvalidUtf8("a\xC3"), 1U) << "cut short";
  EXPECT_EQ(FindInvalidUtf8("a\xE4\xB8"), 1U) << "cut short";
  EXPECT_EQ(FindInvalidUtf8("\xC0\xAF"), 0U) << "overlong";
  EXPECT_EQ(FindInvalidUtf8("\xE0\x80\xAF"), 0U) << "overlong";
  EXPECT_EQ(FindInvalidUtf8("\xF0\x80\x80\xAF"), 0U) << "overlong";
  EXPECT_EQ(FindInvalidUtf8("\xED\xA0\x80"), 0U) << "a surrogate";
  EXPECT_EQ(FindInvalidUtf8("\xF4\x90\x80\x80"), 0U) << "above U+10FFFF";
}

TEST(Utf8Test, ATerminalGetsNothingToObey) {
  EXPECT_EQ(TerminalSafe("two\nlines\tand ü 🙂"), "two\nlines\tand ü 🙂");
  EXPECT_EQ(TerminalSafe("\033[2J"), "\xEF\xBF\xBD[2J");
  EXPECT_EQ(TerminalSafe("a\rb\x7F"),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(TerminalSafe("\xC2\x9B"
                         "2J\xC2\xA0"),
            "\xEF\xBF\xBD"
            "2J\xC2\xA0")
      << "C1 controls, but not what follows";
  EXPECT_EQ(TerminalSafe("\xff"), "\xEF\xBF\xBD");
  EXPECT_EQ(TerminalSafe(absl::string_view("\0", 1)), "\xEF\xBF\xBD");
}

TEST(Utf8Test, CountsCharactersNotBytes) {
  EXPECT_EQ(CountCharacters(""), 0U);
  EXPECT_EQ(CountCharacters("a–ü🙂"), 4U);
}

}  // namespace
}  // namespace perennial
