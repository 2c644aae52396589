#include "client/command/turn_rules.h"

#include "gtest/gtest.h"

namespace perennial {
namespace {

// The request made of these arguments.
absl::StatusOr<v1::ChatRequest> Request(const std::vector<std::string>& arguments) {
  TurnRules rules;
  FlagSet flags;
  rules.AddTo(flags);
  if (const auto parsed = flags.Parse(arguments); !parsed.ok()) return parsed.status();
  v1::ChatRequest request;
  if (const absl::Status status = rules.ApplyTo(request); !status.ok()) return status;
  return request;
}

TEST(TurnRulesTest, WhatIsNotGivenIsLeftToTheServer) { EXPECT_EQ(Request({})->ByteSizeLong(), 0U); }

TEST(TurnRulesTest, EveryFlagReachesItsField) {
  const auto request = Request(
      {"--max_time=90s", "--on_repetition=finish", "--long_message=refuse", "--priority=batch", "--if_busy=interrupt"});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->max_time().seconds(), 90);
  EXPECT_EQ(request->on_repetition(), v1::ON_REPETITION_FINISH);
  EXPECT_EQ(request->long_message(), v1::LONG_MESSAGE_REFUSE);
  EXPECT_EQ(request->priority(), v1::PRIORITY_BATCH);
  EXPECT_EQ(request->if_busy(), v1::IF_BUSY_INTERRUPT);
}

TEST(TurnRulesTest, RefusesWhatCannotBeSent) {
  EXPECT_FALSE(Request({"--max_time=0s"}).ok());
  EXPECT_FALSE(Request({"--max_time=inf"}).ok());
  EXPECT_EQ(Request({"--priority=high"}).status().message(), "--priority='high' is not interactive or batch");
}

}  // namespace
}  // namespace perennial
