#include "server/budget_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "server/engine/error.h"

namespace perennial {
namespace {

using ::testing::StartsWith;

RequestRules Rules() {
  ServerOptions options;
  options.on_repetition = "finish";
  options.engine.max_turn_time = absl::Minutes(1);
  options.engine.max_session_tokens = 1000;
  return MakeRequestRules(options, {}, {}, 4);
}

TEST(BudgetRequestTest, UnsetFieldsGetTheDefaults) {
  TurnSpec turn;
  ASSERT_TRUE(CheckTurnBudget({}, Rules(), turn).ok());
  EXPECT_EQ(turn.priority, Priority::kInteractive);
  EXPECT_EQ(turn.on_repetition, OnRepetition::kFinish) << "the server's";
  EXPECT_EQ(turn.max_time, absl::InfiniteDuration()) << "the engine's limit";
  EXPECT_EQ(*CheckSessionBudget("budget", {}, Rules()), SessionBudget());
}

TEST(BudgetRequestTest, SetFieldsArriveUpToTheirLimits) {
  v1::ChatRequest request;
  request.set_priority(v1::PRIORITY_BATCH);
  request.set_on_repetition(v1::ON_REPETITION_IGNORE);
  request.mutable_max_time()->set_seconds(60);
  TurnSpec turn;
  ASSERT_TRUE(CheckTurnBudget(request, Rules(), turn).ok());
  EXPECT_EQ(turn.priority, Priority::kBatch);
  EXPECT_EQ(turn.on_repetition, OnRepetition::kIgnore);
  EXPECT_EQ(turn.max_time, absl::Minutes(1));
  request.set_on_repetition(v1::ON_REPETITION_REPORT);
  ASSERT_TRUE(CheckTurnBudget(request, Rules(), turn).ok());
  EXPECT_EQ(turn.on_repetition, OnRepetition::kReport);
  request.set_on_repetition(v1::ON_REPETITION_FINISH);
  request.set_priority(v1::PRIORITY_INTERACTIVE);
  request.mutable_max_time()->set_seconds(7200);
  ASSERT_TRUE(CheckTurnBudget(request, MakeRequestRules({}, {}, {}, 4), turn).ok()) << "0 is no limit";
  EXPECT_EQ(turn.max_time, absl::Hours(2));

  v1::SessionBudget budget;
  budget.set_generated_tokens(1000);
  budget.mutable_time()->set_seconds(9);
  EXPECT_EQ(*CheckSessionBudget("budget", budget, Rules()),
            (SessionBudget{.generated_tokens = 1000, .time = absl::Seconds(9)}));
}

TEST(BudgetRequestTest, EveryBadFieldIsNamed) {
  struct Case {
    std::string message;
    std::function<void(v1::ChatRequest&)> spoil;
  };
  const Case cases[] = {
      {"priority: 9 ", [](v1::ChatRequest& r) { r.set_priority(static_cast<v1::Priority>(9)); }},
      {"on_repetition: 9 ", [](v1::ChatRequest& r) { r.set_on_repetition(static_cast<v1::OnRepetition>(9)); }},
      {"max_time: 0 is not", [](v1::ChatRequest& r) { r.mutable_max_time(); }},
      {"max_time: 1m1s is more than 1m (max_turn_time)",
       [](v1::ChatRequest& r) { r.mutable_max_time()->set_seconds(61); }},
  };
  for (const Case& bad : cases) {
    v1::ChatRequest request;
    bad.spoil(request);
    TurnSpec turn;
    const absl::Status status = CheckTurnBudget(request, Rules(), turn);
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidField);
    EXPECT_THAT(std::string(status.message()), StartsWith(bad.message));
  }
  v1::SessionBudget budget;
  budget.set_generated_tokens(1001);
  EXPECT_EQ(CheckSessionBudget("config.budget", budget, Rules()).status().message(),
            "config.budget.generated_tokens: 1001 is more than 1000 (max_session_tokens)");
  budget.set_generated_tokens(-1);
  EXPECT_EQ(CheckSessionBudget("b", budget, Rules()).status().message(), "b.generated_tokens: -1 is negative");
  budget.set_generated_tokens(0);
  budget.mutable_time()->set_seconds(-1);
  EXPECT_EQ(CheckSessionBudget("b", budget, Rules()).status().message(), "b.time: -1s is negative");
}

}  // namespace
}  // namespace perennial
