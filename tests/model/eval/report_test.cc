#include "model/eval/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace perennial {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Report SomeReport() {
  Report report;
  report.facts = {{"tokens", int64_t{4000}}, {"perplexity", 27.25}};
  ReportTable& table = report.AddTable("runs");
  table.rows = {{{"attention", std::string("sinks")}, {"perplexity", 27.25}, {"full", true}},
                {{"attention", std::string("window")}, {"perplexity", std::numeric_limits<double>::quiet_NaN()}}};
  report.AddTable("curve", /*for_plots=*/true).rows = {{{"tokens", int64_t{10}}}};
  report.conclusion = "Sinks it is.";
  return report;
}

TEST(ReportTest, JsonHasEverythingOnOneLine) {
  const std::string text = ReportJson(SomeReport());
  EXPECT_THAT(text, Not(HasSubstr("\n")));
  const nlohmann::json json = nlohmann::json::parse(text);
  EXPECT_EQ(json["tokens"], 4000);
  EXPECT_EQ(json["perplexity"], 27.25);
  EXPECT_EQ(json["runs"][0]["attention"], "sinks");
  EXPECT_EQ(json["runs"][0]["full"], true);
  EXPECT_TRUE(json["runs"][1]["perplexity"].is_null());
  EXPECT_EQ(json["curve"][0]["tokens"], 10);
  EXPECT_EQ(json["conclusion"], "Sinks it is.");
}

TEST(ReportTest, TextHasColumnsAndLeavesOutWhatIsForPlots) {
  EXPECT_EQ(ReportText(SomeReport()),
            "tokens: 4000\n"
            "perplexity: 27.25\n"
            "\n"
            "runs\n"
            "  attention  perplexity  full\n"
            "      sinks       27.25   yes\n"
            "     window           -      \n"
            "\n"
            "Sinks it is.\n");
}

TEST(ReportTest, NumbersCanBeFound) {
  const Report report = SomeReport();
  EXPECT_EQ(report.Fact("tokens"), 4000);
  EXPECT_EQ(report.Number("runs", 0, "perplexity"), 27.25);
  EXPECT_DEATH((void)report.Number("runs", 2, "perplexity"), "check failed");
  EXPECT_DEATH((void)report.Fact("nothing"), "check failed");
}

TEST(ReportTest, ProgressBarFillsAndEstimates) {
  EXPECT_EQ(ProgressBar("", 0, 100, absl::Seconds(1)), "[" + std::string(30, ' ') + "]   0 %  0/100 tokens");
  EXPECT_THAT(ProgressBar("dense", 50, 100, absl::Seconds(4)), HasSubstr("50 %  50/100 tokens, 4 s left"));
  EXPECT_EQ(ProgressBar("4 sinks", 100, 100, absl::Seconds(9)),
            "4 sinks [" + std::string(30, '#') + "] 100 %  100/100 tokens");
}

}  // namespace
}  // namespace perennial
