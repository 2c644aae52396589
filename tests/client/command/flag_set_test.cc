#include "client/command/flag_set.h"

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FlagSetTest : public testing::Test {
 protected:
  FlagSetTest() {
    flags_.Add("name", &name_, "TEXT", "a name");
    flags_.Add("top_k", &top_k_, "N", "a number\nwith two lines");
    flags_.Add("wait", &wait_, "TIME", "a time");
    flags_.Add("stop", &stop_, "TEXT", "may be repeated");
    flags_.AddSwitch("json", &json_, "a switch");
  }

  // The positional arguments, or the error as the only element.
  std::vector<std::string> Parse(const std::vector<std::string>& arguments) {
    const auto result = flags_.Parse(arguments);
    return result.ok() ? *result : std::vector<std::string>{std::string(result.status().message())};
  }

  std::string name_ = "nobody";
  std::optional<int32_t> top_k_;
  std::optional<absl::Duration> wait_;
  std::vector<std::string> stop_;
  bool json_ = false;
  FlagSet flags_;
};

TEST_F(FlagSetTest, ReadsValuesWithEqualsOrSpace) {
  EXPECT_THAT(Parse({"--name=Ada", "--top_k", "5", "--wait=90s"}), IsEmpty());
  EXPECT_EQ(name_, "Ada");
  EXPECT_EQ(top_k_, 5);
  EXPECT_EQ(wait_, absl::Seconds(90));
}

TEST_F(FlagSetTest, WhatIsNotGivenStaysAsItIs) {
  EXPECT_THAT(Parse({}), IsEmpty());
  EXPECT_EQ(name_, "nobody");
  EXPECT_EQ(top_k_, std::nullopt);
  EXPECT_FALSE(json_);
}

TEST_F(FlagSetTest, FlagsMayStandBetweenArguments) {
  EXPECT_THAT(Parse({"one", "--json", "two", "-", "--name=x=y"}), ElementsAre("one", "two", "-"));
  EXPECT_TRUE(json_);
  EXPECT_EQ(name_, "x=y");
}

TEST_F(FlagSetTest, TwoDashesEndTheFlags) {
  EXPECT_THAT(Parse({"--json", "--", "--name=Ada", "-x"}), ElementsAre("--name=Ada", "-x"));
  EXPECT_EQ(name_, "nobody");
}

TEST_F(FlagSetTest, SwitchesCanBeTurnedOff) {
  json_ = true;
  EXPECT_THAT(Parse({"--nojson"}), IsEmpty());
  EXPECT_FALSE(json_);
  EXPECT_THAT(Parse({"--json=true"}), IsEmpty());
  EXPECT_TRUE(json_);
  EXPECT_THAT(Parse({"--json=false"}), IsEmpty());
  EXPECT_FALSE(json_);
}

TEST_F(FlagSetTest, DashesStandForUnderscores) {
  EXPECT_THAT(Parse({"--top-k=7"}), IsEmpty());
  EXPECT_EQ(top_k_, 7);
}

TEST_F(FlagSetTest, RepeatedFlagsCollectValuesAsTheyAre) {
  EXPECT_THAT(Parse({"--stop=a,b", "--stop="}), IsEmpty());
  EXPECT_THAT(stop_, ElementsAre("a,b", ""));
}

TEST_F(FlagSetTest, ErrorsNameFlagAndValue) {
  EXPECT_THAT(Parse({"--nmae=Ada"}), ElementsAre(HasSubstr("unknown flag --nmae")));
  EXPECT_THAT(Parse({"-x"}), ElementsAre(HasSubstr("unknown flag -x")));
  EXPECT_THAT(Parse({"--top_k=many"}), ElementsAre(HasSubstr("--top_k='many' is malformed")));
  EXPECT_THAT(Parse({"--top_k=99999999999"}), ElementsAre(HasSubstr("--top_k='99999999999' is malformed")));
  EXPECT_THAT(Parse({"--name"}), ElementsAre("--name needs a value: --name=TEXT"));
  EXPECT_THAT(Parse({"--noname"}), ElementsAre(HasSubstr("unknown flag --noname")));
  EXPECT_THAT(Parse({"--json=perhaps"}), ElementsAre(HasSubstr("--json='perhaps' is malformed")));
}

TEST_F(FlagSetTest, HelpIsAskedForAnywhere) {
  EXPECT_FALSE(flags_.help_requested());
  EXPECT_THAT(Parse({"one", "-h"}), ElementsAre("one"));
  EXPECT_TRUE(flags_.help_requested());
}

TEST_F(FlagSetTest, HelpListsFlagsInOneColumn) {
  EXPECT_EQ(flags_.Help(),
            "  --name=TEXT  a name\n"
            "  --top_k=N    a number\n"
            "               with two lines\n"
            "  --wait=TIME  a time\n"
            "  --stop=TEXT  may be repeated\n"
            "  --json       a switch\n");
}

TEST_F(FlagSetTest, StopsAtTheFirstArgumentIfAskedTo) {
  const auto rest = flags_.Parse({"--name", "Ada", "ask", "--json"}, /*stop_at_positional=*/true);
  ASSERT_TRUE(rest.ok());
  EXPECT_THAT(*rest, ElementsAre("ask", "--json"));
  EXPECT_FALSE(json_);
}

}  // namespace
}  // namespace perennial
