#include "client/command/turn_flags.h"

#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

// The request made of these arguments.
absl::StatusOr<v1::ChatRequest> Request(const std::vector<std::string>& arguments) {
  TurnFlags turn;
  FlagSet flags;
  turn.AddTo(flags);
  if (const auto parsed = flags.Parse(arguments); !parsed.ok()) return parsed.status();
  return turn.Request();
}

TEST(TurnFlagsTest, WhatIsNotGivenIsLeftToTheServer) {
  v1::ChatRequest expected;
  expected.mutable_sampling();
  EXPECT_EQ(Request({})->SerializeAsString(), expected.SerializeAsString());
}

TEST(TurnFlagsTest, EveryFlagReachesItsField) {
  const auto request = Request({"--max_tokens=0", "--ignore_end_of_turn", "--stop=END", "--temperature=0.5",
                                "--top_k=40", "--top_p=0.75", "--min_p=0.25", "--repetition_penalty=1.5",
                                "--repetition_window=64", "--seed=18446744073709551615"});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_TRUE(request->has_max_tokens());
  EXPECT_EQ(request->max_tokens(), 0);
  EXPECT_TRUE(request->ignore_end_of_turn());
  EXPECT_EQ(request->stop(0), "END");
  EXPECT_EQ(request->sampling().temperature(), 0.5F);
  EXPECT_EQ(request->sampling().top_k(), 40);
  EXPECT_EQ(request->sampling().top_p(), 0.75F);
  EXPECT_EQ(request->sampling().min_p(), 0.25F);
  EXPECT_EQ(request->sampling().repetition_penalty(), 1.5F);
  EXPECT_EQ(request->sampling().repetition_window(), 64);
  EXPECT_EQ(request->sampling().seed(), 18446744073709551615U);
}

TEST(TurnFlagsTest, EverySamplingFlagReachesItsField) {
  const auto request =
      Request({"--typical_p=0.5", "--presence_penalty=0.25", "--frequency_penalty=-0.25", "--dry_multiplier=0.75",
               "--dry_base=2", "--dry_allowed_length=3", "--logit_bias=7=-2.5", "--logit_bias=8=100", "--stop_token=5",
               "--stop_token=6", "--min_tokens=9", "--json_schema={\"type\":\"null\"}"});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->sampling().typical_p(), 0.5F);
  EXPECT_EQ(request->sampling().presence_penalty(), 0.25F);
  EXPECT_EQ(request->sampling().frequency_penalty(), -0.25F);
  EXPECT_EQ(request->sampling().dry().multiplier(), 0.75F);
  EXPECT_EQ(request->sampling().dry().base(), 2.0F);
  EXPECT_EQ(request->sampling().dry().allowed_length(), 3);
  EXPECT_EQ(request->sampling().logit_bias().at(7), -2.5F);
  EXPECT_EQ(request->sampling().logit_bias().at(8), 100.0F);
  EXPECT_THAT(request->sampling().stop_tokens(), ::testing::ElementsAre(5, 6));
  EXPECT_EQ(request->sampling().min_tokens(), 9);
  EXPECT_EQ(request->sampling().json_schema(), "{\"type\":\"null\"}");
}

TEST(TurnFlagsTest, ASchemaCanStandInAFile) {
  const std::string path = ::testing::TempDir() + "/turn_flags_schema.json";
  std::ofstream(path) << "{}";
  EXPECT_EQ(Request({"--json_schema=@" + path})->sampling().json_schema(), "{}");
  EXPECT_THAT(std::string(Request({"--json_schema=@" + path + ".missing"}).status().message()),
              HasSubstr("cannot read"));
}

TEST(TurnFlagsTest, RefusesWhatCannotBeSent) {
  EXPECT_FALSE(Request({"--stop=\xff"}).ok());
  EXPECT_FALSE(Request({"--json_schema=\xff"}).ok());
  EXPECT_FALSE(Request({"--logit_bias=7"}).ok());
  EXPECT_FALSE(Request({"--logit_bias=x=1"}).ok());
  EXPECT_FALSE(Request({"--stop_token=x"}).ok());
}

TEST(TurnFlagsTest, BadTextIsNamedWithItsByte) {
  EXPECT_EQ(CheckUtf8("the text", "ab\xff").message(), "the text is not UTF-8: byte 2 is 0xff");
  EXPECT_TRUE(CheckUtf8("the text", "Grüße").ok());
}

}  // namespace
}  // namespace perennial
