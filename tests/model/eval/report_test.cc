#include "model/eval/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace perennial {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr PerplexityResult kResult = {
    .tokens = 4000, .perplexity = 30.5, .perplexity_second_half = 27.25, .cache_bytes = 3 << 20};

TEST(ReportTest, JsonHasTheFieldsThatScriptsReadOnOneLine) {
  const std::string text = PerplexityJson(kResult, absl::Seconds(8));
  EXPECT_THAT(text, Not(HasSubstr("\n")));
  const nlohmann::json json = nlohmann::json::parse(text);
  EXPECT_EQ(json["tokens"], 4000);
  EXPECT_EQ(json["perplexity"], 30.5);
  EXPECT_EQ(json["perplexity_second_half"], 27.25);
  EXPECT_EQ(json["tokens_per_second"], 500.0);
  EXPECT_EQ(json["cache_bytes"], 3 << 20);
  EXPECT_EQ(json.size(), 5u);
}

TEST(ReportTest, TextSaysTheSame) {
  const std::string text = PerplexityText(kResult, absl::Seconds(8));
  EXPECT_THAT(text, HasSubstr("30.50 over 4000 tokens"));
  EXPECT_THAT(text, HasSubstr("27.25"));
  EXPECT_THAT(text, HasSubstr("500 tokens per second, cache 3.0 MiB"));
}

TEST(ReportTest, ProgressBarFillsAndEstimates) {
  EXPECT_EQ(ProgressBar(0, 100, absl::Seconds(1)), "[" + std::string(30, ' ') + "]   0 %  0/100 tokens");
  EXPECT_THAT(ProgressBar(50, 100, absl::Seconds(4)), HasSubstr("50 %  50/100 tokens, 4 s left"));
  EXPECT_EQ(ProgressBar(100, 100, absl::Seconds(9)), "[" + std::string(30, '#') + "] 100 %  100/100 tokens");
}

}  // namespace
}  // namespace perennial
