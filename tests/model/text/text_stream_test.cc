#include "model/text/text_stream.h"

#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"

namespace perennial {
namespace {

struct Result {
  std::string text;
  std::optional<int32_t> stopped_by;

  bool operator==(const Result&) const = default;
};

// True for whole, valid UTF-8: decided by iconv-like rules written out plainly, not by the code under test.
bool IsUtf8(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t k) { return i + k < text.size() ? static_cast<uint8_t>(text[i + k]) : 0; };
    const auto tail = [&](size_t k) { return (byte(k) & 0xC0) == 0x80; };
    if (byte(0) < 0x80) {
      i += 1;
    } else if ((byte(0) & 0xE0) == 0xC0 && tail(1) && byte(0) >= 0xC2) {
      i += 2;
    } else if ((byte(0) & 0xF0) == 0xE0 && tail(1) && tail(2)) {
      const int code = (byte(0) & 15) << 12 | (byte(1) & 63) << 6 | (byte(2) & 63);
      if (code < 0x800 || (code >= 0xD800 && code < 0xE000)) return false;
      i += 3;
    } else if ((byte(0) & 0xF8) == 0xF0 && tail(1) && tail(2) && tail(3)) {
      const int code = (byte(0) & 7) << 18 | (byte(1) & 63) << 12 | (byte(2) & 63) << 6 | (byte(3) & 63);
      if (code < 0x10000 || code > 0x10FFFF) return false;
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

Result Stream(const std::vector<std::string>& tokens, const std::vector<std::string>& stops, bool trim = false) {
  TextStream stream(stops, trim);
  Result result;
  for (const std::string& token : tokens) {
    const std::string delta = stream.Add(token);
    EXPECT_TRUE(IsUtf8(delta)) << delta;
    result.text += delta;
  }
  result.text += stream.Finish();
  EXPECT_TRUE(IsUtf8(result.text));
  result.stopped_by = stream.stopped_by();
  return result;
}

// The contract on whole text: the stop string that begins first, the longest of those.
Result Expected(const std::string& text, const std::vector<std::string>& stops) {
  Result result = {text, std::nullopt};
  size_t best = std::string::npos;
  size_t size = 0;
  for (size_t i = 0; i < stops.size(); ++i) {
    const size_t begin = text.find(stops[i]);
    if (begin == std::string::npos || begin > best || (begin == best && stops[i].size() <= size)) continue;
    best = begin;
    size = stops[i].size();
    result = {text.substr(0, begin), static_cast<int32_t>(i)};
  }
  return result;
}

std::vector<std::string> Bytes(const std::string& text) {
  std::vector<std::string> bytes;
  for (char c : text) bytes.emplace_back(1, c);
  return bytes;
}

const char kMixed[] = "Hi \xC3\xA9 \xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9 end";

TEST(TextStreamTest, AnySplitGivesTheSameText) {
  const std::string text = kMixed;
  EXPECT_EQ(Stream(Bytes(text), {}).text, text);
  for (size_t i = 0; i <= text.size(); ++i) {
    for (size_t j = i; j <= text.size(); ++j) {
      EXPECT_EQ(Stream({text.substr(0, i), text.substr(i, j - i), text.substr(j)}, {}).text, text);
    }
  }
}

TEST(TextStreamTest, SendsEveryCharacterAsSoonAsItIsWhole) {
  TextStream stream({});
  EXPECT_EQ(stream.Add("a"), "a");
  EXPECT_EQ(stream.Add("\xE4\xBD"), "");
  EXPECT_EQ(stream.Add("\xA0\xE5"), "\xE4\xBD\xA0") << "no waiting for a space";
  EXPECT_EQ(stream.Add("\xA5\xBD "), "\xE5\xA5\xBD ");
  EXPECT_EQ(stream.Finish(), "");
}

// Cases and results of the Unicode standard, 3.9, "U+FFFD substitution of maximal subparts" (tables 3-8 to 3-11).
TEST(TextStreamTest, InvalidBytesBecomeOneReplacementPerMaximalPart) {
  const std::string r = "\xEF\xBF\xBD";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", r + r + r + r + r + r + r + r + "A"},
      {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", r + r + r + r + r + r + r + r + "A"},
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", r + r + r + r + r + "A" + r + r + "B"},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", r + r + r + r + "A"},
      {"\xE4\xBD", r},
      {"\xF0\x9F\x91", r},
  };
  for (const auto& [bytes, expected] : cases) {
    for (size_t i = 0; i <= bytes.size(); ++i) {
      EXPECT_EQ(Stream({bytes.substr(0, i), bytes.substr(i)}, {}).text, expected);
    }
    EXPECT_EQ(Stream(Bytes(bytes), {}).text, expected);
  }
}

TEST(TextStreamTest, RandomBytesGiveTheSameValidTextForEverySplit) {
  std::mt19937 random(3);
  const std::string interesting = "aA \n\x80\xBF\xC0\xC2\xC3\xE0\xE4\xED\xEF\xF0\xF4\xF5\xFF\x9F\xA0\x90\x8F";
  for (int round = 0; round < 3000; ++round) {
    std::string bytes;
    for (int n = random() % 16; n > 0; --n) bytes += interesting[random() % interesting.size()];
    const std::string whole = Stream({bytes}, {}).text;
    std::vector<std::string> tokens;
    for (size_t i = 0; i < bytes.size();) {
      const size_t size = std::min<size_t>(random() % 4, bytes.size() - i);
      tokens.push_back(bytes.substr(i, size));
      i += size;
    }
    EXPECT_EQ(Stream(tokens, {}).text, whole);
  }
}

TEST(TextStreamTest, AStopStringIsFoundAtEverySplit) {
  const std::string text = "one two\nUser: three";
  const std::vector<std::string> stops = {"\nUser:", "\xE4\xBD\xA0"};
  for (size_t i = 0; i <= text.size(); ++i) {
    for (size_t j = i; j <= text.size(); ++j) {
      EXPECT_EQ(Stream({text.substr(0, i), text.substr(i, j - i), text.substr(j)}, stops), (Result{"one two", 0}));
    }
  }
  EXPECT_EQ(Stream(Bytes("ok \xE4\xBD\xA0!"), stops), (Result{"ok ", 1}));
}

TEST(TextStreamTest, AStopThatIsOnlyBegunIsSentInTheEnd) {
  EXPECT_EQ(Stream({"abc\nUse"}, {"\nUser:"}), (Result{"abc\nUse", std::nullopt}));
  EXPECT_EQ(Stream({"abc\nUs", "eful"}, {"\nUser:"}), (Result{"abc\nUseful", std::nullopt}));
  EXPECT_EQ(Stream({"aaa", "aab"}, {"aaab"}), (Result{"aa", 0}));
}

TEST(TextStreamTest, HoldsBackNoMoreThanTheBeginningOfAStop) {
  TextStream stream({"STOP"});
  EXPECT_EQ(stream.Add("abcST"), "abc");
  EXPECT_EQ(stream.Add("x"), "STx");
  EXPECT_EQ(stream.Add("STOP and more"), "");
  EXPECT_EQ(stream.stopped_by(), 0);
  EXPECT_EQ(stream.Add("ignored"), "");
  EXPECT_EQ(stream.Finish(), "");
}

TEST(TextStreamTest, TheEarliestAndThenTheLongestStopCounts) {
  EXPECT_EQ(Stream(Bytes("xabcd"), {"bc", "abcd"}), (Result{"x", 1}));
  EXPECT_EQ(Stream(Bytes("xabce"), {"bc", "abcd"}), (Result{"xa", 0}));
  EXPECT_EQ(Stream(Bytes("a\n\nb"), {"\n", "\n\n"}), (Result{"a", 1}));
  EXPECT_EQ(Stream(Bytes("a\nb"), {"\n", "\n\n"}), (Result{"a", 0}));
  EXPECT_EQ(Stream(Bytes("a\n"), {"\n", "\n\n"}), (Result{"a", 0})) << "met at the end, by Finish";
  EXPECT_EQ(Stream(Bytes("abab"), {"ab", "ab"}), (Result{"", 0}));
}

TEST(TextStreamTest, RandomStopsAgreeWithTheWholeText) {
  std::mt19937 random(11);
  for (int round = 0; round < 20000; ++round) {
    const auto word = [&](int size) {
      std::string text;
      for (; size > 0; --size) text += "ab\n"[random() % 3];
      return text;
    };
    std::vector<std::string> stops;
    for (int n = random() % 4; n > 0; --n) stops.push_back(word(1 + random() % 4));
    const std::string text = word(random() % 12);
    std::vector<std::string> tokens;
    for (size_t i = 0; i < text.size();) {
      const size_t size = 1 + random() % 3;
      tokens.push_back(text.substr(i, size));
      i += size;
    }
    EXPECT_EQ(Stream(tokens, stops), Expected(text, stops)) << text;
  }
}

TEST(TextStreamTest, DropsOneSpaceAtTheVeryStartIfAsked) {
  EXPECT_EQ(Stream({" Hello", " you"}, {}, true).text, "Hello you");
  EXPECT_EQ(Stream({"", "  Hello"}, {}, true).text, " Hello");
  EXPECT_EQ(Stream({"Hello", " you"}, {}, true).text, "Hello you");
  EXPECT_EQ(Stream({" Hello"}, {}, false).text, " Hello");
  EXPECT_EQ(Stream({" STOP"}, {"STOP"}, true), (Result{"", 0}));
}

}  // namespace
}  // namespace perennial
