#include "model/repetition_detector.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

using D = RepetitionDetector;

std::optional<Repetition> FoundIn(const std::vector<TokenId>& tokens) {
  D detector;
  for (const TokenId token : tokens) {
    if (const std::optional<Repetition> found = detector.Add(token)) {
      EXPECT_EQ(detector.found(), found);
      return found;
    }
  }
  EXPECT_EQ(detector.found(), std::nullopt);
  return std::nullopt;
}

// Texts are tokenized into bytes: the hardest case, because so few different tokens coincide most often.
std::optional<Repetition> FoundInText(const std::string& text) { return FoundIn({text.begin(), text.end()}); }

std::string Times(int times, const std::string& text) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

std::vector<TokenId> RandomTokens(std::mt19937& random, size_t count, TokenId vocab_size) {
  std::vector<TokenId> tokens;
  for (size_t i = 0; i < count; ++i)
    tokens.push_back(static_cast<TokenId>(random() % static_cast<uint32_t>(vocab_size)));
  return tokens;
}

TEST(RepetitionDetectorTest, FindsAnExactCycleOfAnyPeriodAtItsThreshold) {
  std::mt19937 random(1);
  for (int32_t period = 1; period <= D::kMaxPeriod; ++period) {
    D detector;
    for (const TokenId token : RandomTokens(random, 300, 50'000)) ASSERT_EQ(detector.Add(token), std::nullopt);
    const std::vector<TokenId> stretch = RandomTokens(random, static_cast<size_t>(period), 50'000);
    const int32_t needed = std::max(D::kMinTokens, D::kMinTimes * period);
    for (int32_t i = 1; i < needed; ++i) {
      ASSERT_EQ(detector.Add(stretch[static_cast<size_t>((i - 1) % period)]), std::nullopt) << period << " at " << i;
    }
    const Repetition expected = {
        .period_tokens = period, .times = needed / period, .exact = true, .after_tokens = 300 + needed};
    EXPECT_EQ(detector.Add(stretch[static_cast<size_t>((needed - 1) % period)]), expected) << period;
    EXPECT_EQ(detector.found(), expected);
  }
}

TEST(RepetitionDetectorTest, FindsOncePerReply) {
  D detector;
  int found = 0;
  for (int i = 0; i < 10'000; ++i) found += detector.Add(7).has_value() ? 1 : 0;
  EXPECT_EQ(found, 1);
  EXPECT_EQ(detector.found()->after_tokens, D::kMinTokens);
}

TEST(RepetitionDetectorTest, LetsACycleBeThatEndsInTime) {
  std::mt19937 random(2);
  std::vector<TokenId> tokens;
  for (int32_t period = 1; period <= D::kMaxPeriod; ++period) {
    const std::vector<TokenId> stretch = RandomTokens(random, static_cast<size_t>(period), 50'000);
    const int32_t allowed = std::max(D::kMinTokens, D::kMinTimes * period) - 1;
    for (int32_t i = 0; i < allowed; ++i) tokens.push_back(stretch[static_cast<size_t>(i % period)]);
    const std::vector<TokenId> between = RandomTokens(random, 40, 50'000);
    tokens.insert(tokens.end(), between.begin(), between.end());
  }
  EXPECT_EQ(FoundIn(tokens), std::nullopt);
}

TEST(RepetitionDetectorTest, FindsACycleInWhichSomeTokensDiffer) {
  for (const int32_t period : {10, 12, 25, 50, 100, 200, D::kMaxPeriod}) {
    for (uint32_t seed = 1; seed <= 20; ++seed) {
      std::mt19937 random(seed);
      const std::vector<TokenId> stretch = RandomTokens(random, static_cast<size_t>(period), 50'000);
      D detector;
      const int32_t twice_needed = 2 * std::max(D::kMinNearTokens, D::kMinNearTimes * period);
      for (int32_t i = 0; i < twice_needed; ++i) {
        const bool differs = random() % 12 == 0;
        detector.Add(differs ? static_cast<TokenId>(random() % 50'000) : stretch[static_cast<size_t>(i % period)]);
      }
      ASSERT_TRUE(detector.found().has_value()) << "period " << period << ", seed " << seed;
      EXPECT_EQ(detector.found()->period_tokens % period, 0);
      EXPECT_FALSE(detector.found()->exact);
      EXPECT_GE(detector.found()->times, D::kMinNearTimes);
    }
  }
}

TEST(RepetitionDetectorTest, FindsAParagraphWhoseNumberGoesUp) {
  std::string text;
  for (int day = 100; day < 130; ++day) {
    text += absl::StrFormat("On day %d we went down to the river again and nothing happened there.\n", day);
  }
  const std::optional<Repetition> found = FoundInText(text);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->period_tokens, 71);
  EXPECT_FALSE(found->exact);
}

TEST(RepetitionDetectorTest, DoesNotTakeAQuarterOfDifferencesForACycle) {
  std::mt19937 random(3);
  const std::vector<TokenId> stretch = RandomTokens(random, 20, 50'000);
  std::vector<TokenId> tokens;
  for (size_t i = 0; i < 20'000; ++i) {
    tokens.push_back(random() % 4 == 0 ? static_cast<TokenId>(random() % 50'000) : stretch[i % stretch.size()]);
  }
  EXPECT_EQ(FoundIn(tokens), std::nullopt);
}

TEST(RepetitionDetectorTest, FindsNothingInChance) {
  for (const TokenId vocab_size : {2, 3, 10, 50'000}) {
    std::mt19937 random(4);
    EXPECT_EQ(FoundIn(RandomTokens(random, 30'000, vocab_size)), std::nullopt) << vocab_size;
  }
}

TEST(RepetitionDetectorTest, FindsNothingInProse) {
  std::ifstream file(absl::StrCat(PERENNIAL_SOURCE_DIR, "/tests/golden/war_and_peace_opening.txt"));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  ASSERT_GT(text.size(), 8000u);
  EXPECT_EQ(FoundInText(text), std::nullopt);
}

TEST(RepetitionDetectorTest, FindsNothingInPoems) {
  // Four verses, each ending with the refrain twice, and a verse that is nothing else.
  const std::string refrain = "Row, row, row your boat, gently down the stream,\n";
  std::string poem;
  for (const char* verse :
       {"If you see a crocodile, don't forget to scream.\n", "Merrily, merrily, life is but a dream.\n",
        "If you see a polar bear, don't forget to shiver.\n", "Sunlight on the water now, a beam.\n"}) {
    poem += Times(2, refrain) + verse;
  }
  EXPECT_EQ(FoundInText(poem + Times(5, refrain) + "The end.\n"), std::nullopt);
  EXPECT_EQ(FoundInText("He laughed: " + Times(30, "ha ") + "and was gone."), std::nullopt);
}

TEST(RepetitionDetectorTest, FindsNothingInLists) {
  const std::vector<std::string> fruit = {"apples", "pears", "plums",  "cherries", "figs",   "dates",
                                          "grapes", "limes", "lemons", "quinces",  "melons", "peaches",
                                          "kiwis",  "nuts",  "olives", "mangos"};
  std::string list;
  for (size_t i = 0; i < 64; ++i) {
    absl::StrAppend(&list, i + 1, ". ", 1 + i % 7, " kg of ", fruit[i * 5 % fruit.size()], "\n");
  }
  EXPECT_EQ(FoundInText(list), std::nullopt);
}

TEST(RepetitionDetectorTest, FindsNothingInTables) {
  std::mt19937 random(5);
  std::string table = "|  year  |  north  |  south  |  east   |\n|--------|---------|---------|---------|\n";
  for (int year = 1960; year < 2025; ++year) {
    absl::StrAppendFormat(&table, "|  %d  |  %5.1f  |  %5.1f  |  %5.1f  |\n", year,
                          static_cast<double>(random() % 9999) / 10, static_cast<double>(random() % 9999) / 10,
                          static_cast<double>(random() % 9999) / 10);
  }
  EXPECT_EQ(FoundInText(table + std::string(100, '=') + "\n" + std::string(100, ' ')), std::nullopt);
}

TEST(RepetitionDetectorTest, FindsNothingInCode) {
  const std::string line = "      out.push_back(static_cast<char>(*next++));\n";
  std::string code = "void Unroll(const char* next, std::string& out) {\n" + Times(5, line) + "}\n";
  for (int i = 0; i < 20; ++i) {
    absl::StrAppend(&code, "    case Kind::k", std::string(1, static_cast<char>('A' + i)), std::string(1 + i % 5, 'x'),
                    ":\n      return \"", std::string(1, static_cast<char>('a' + i)), std::string(1 + i % 5, 'y'),
                    "\";\n");
  }
  EXPECT_EQ(FoundInText(code + "}\n"), std::nullopt);
}

}  // namespace
}  // namespace perennial
