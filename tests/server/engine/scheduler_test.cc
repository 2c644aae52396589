#include "server/engine/scheduler.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kDecode = 0;  // stands for a decoding turn in the lists below; a prefill is its tokens

std::vector<TurnDemand> Demands(const std::vector<int64_t>& wants) {
  std::vector<TurnDemand> demands;
  for (const int64_t want : wants) {
    demands.push_back(want == kDecode ? TurnDemand{.tokens = 1, .decoding = true} : TurnDemand{.tokens = want});
  }
  return demands;
}

TEST(SchedulerTest, PlansNothingForNobody) { EXPECT_THAT(PlanStep({}, {}), IsEmpty()); }

TEST(SchedulerTest, DecodesAllAndPrefillsOneChunkBeside) {
  EXPECT_THAT(PlanStep(Demands({kDecode, 300, kDecode, 300}), {.max_step_tokens = 512, .prefill_chunk_tokens = 128}),
              ElementsAre(TurnShare{0, 1}, TurnShare{2, 1}, TurnShare{1, 128}));
}

TEST(SchedulerTest, PrefillsOneChunkOfEachWhileNobodyDecodes) {
  EXPECT_THAT(PlanStep(Demands({300, 100, 300, 300, 300}), {.max_step_tokens = 400, .prefill_chunk_tokens = 128}),
              ElementsAre(TurnShare{0, 128}, TurnShare{1, 100}, TurnShare{2, 128}, TurnShare{3, 44}));
}

TEST(SchedulerTest, LetsAPausedTurnWait) {
  std::vector<TurnDemand> demands = Demands({kDecode, 10, kDecode, 10});
  demands[0].paused = demands[1].paused = true;
  EXPECT_THAT(PlanStep(demands, {.max_step_tokens = 100, .prefill_chunk_tokens = 100}),
              ElementsAre(TurnShare{2, 1}, TurnShare{3, 10}));
  for (TurnDemand& demand : demands) demand.paused = true;
  EXPECT_THAT(PlanStep(demands, {.max_step_tokens = 100, .prefill_chunk_tokens = 100}), IsEmpty());
}

TEST(SchedulerTest, ServesTheLongestUnservedFirst) {
  std::vector<TurnDemand> demands = Demands({50, 50, 50, kDecode, kDecode});
  demands[0].last_step = 3;
  demands[1].last_step = 2;
  demands[2].last_step = 3;
  demands[3].last_step = 9;
  demands[4].last_step = 8;
  EXPECT_THAT(PlanStep(demands, {.max_step_tokens = 2, .prefill_chunk_tokens = 64}),
              ElementsAre(TurnShare{4, 1}, TurnShare{1, 1}));
}

// Every world of up to four turns, each decoding, short, long or paused, under small limits; each is also run on, with
// turns that never finish, to see that nobody starves.
class SchedulerWorldsTest : public testing::TestWithParam<StepLimits> {
 protected:
  void ForEachWorld(const std::function<void(const std::vector<TurnDemand>&)>& check) const {
    for (size_t turns = 1; turns <= 4; ++turns) {
      size_t worlds = 1;
      for (size_t i = 0; i < turns; ++i) worlds *= 5;
      for (size_t world = 0; world < worlds; ++world) {
        std::vector<TurnDemand> demands;
        for (size_t i = 0, rest = world; i < turns; ++i, rest /= 5) {
          const size_t kind = rest % 5;
          demands.push_back({.tokens = kind == 1   ? 2
                                       : kind == 2 ? 100
                                                   : 1,
                             .decoding = kind == 0 || kind == 4,
                             .paused = kind == 4});
        }
        check(demands);
      }
    }
  }
};

TEST_P(SchedulerWorldsTest, KeepsEveryLimit) {
  const StepLimits limits = GetParam();
  ForEachWorld([&](const std::vector<TurnDemand>& demands) {
    int64_t total = 0, prefill = 0, decodes = 0, wanted = 0;
    std::vector<bool> planned(demands.size());
    for (const TurnShare& share : PlanStep(demands, limits)) {
      const TurnDemand& demand = demands[share.turn];
      EXPECT_FALSE(planned[share.turn]) << "a turn twice in one step";
      planned[share.turn] = true;
      EXPECT_FALSE(demand.paused);
      EXPECT_GE(share.tokens, 1);
      EXPECT_LE(share.tokens, demand.tokens);
      if (!demand.decoding) {
        EXPECT_LE(share.tokens, limits.prefill_chunk_tokens);
      }
      total += share.tokens;
      (demand.decoding ? decodes : prefill) += share.tokens;
    }
    EXPECT_LE(total, limits.max_step_tokens);
    if (decodes > 0) {
      EXPECT_LE(prefill, limits.prefill_chunk_tokens);
    }
    bool wants_decode = false, wants_prefill = false;
    for (const TurnDemand& demand : demands) {
      if (demand.paused) continue;
      (demand.decoding ? wants_decode : wants_prefill) = true;
      wanted += std::min<int64_t>(demand.tokens, limits.prefill_chunk_tokens);
    }
    if (wanted > 0) {
      EXPECT_GT(total, 0);
    }
    if (wants_decode && wants_prefill && limits.max_step_tokens >= 2) {
      EXPECT_GT(decodes, 0);
      EXPECT_GT(prefill, 0);
    } else if (!wants_decode || !wants_prefill) {
      EXPECT_EQ(total, std::min<int64_t>(wanted, limits.max_step_tokens)) << "no room is left unused";
    }
  });
}

TEST_P(SchedulerWorldsTest, ServesEveryTurnWithinAsManyStepsAsThereAreTurns) {
  const StepLimits limits = GetParam();
  ForEachWorld([&](std::vector<TurnDemand> demands) {
    for (TurnDemand& demand : demands) demand.last_step = 0;
    const auto turns = static_cast<int64_t>(demands.size());
    for (int64_t step = 1; step <= 5 * turns; ++step) {
      for (const TurnShare& share : PlanStep(demands, limits)) demands[share.turn].last_step = step;
      for (const TurnDemand& demand : demands) {
        if (!demand.paused) {
          EXPECT_LE(step - demand.last_step, turns - 1);
        }
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Limits, SchedulerWorldsTest,
                         testing::Values(StepLimits{1, 1}, StepLimits{1, 8}, StepLimits{2, 1}, StepLimits{2, 8},
                                         StepLimits{3, 2}, StepLimits{4, 64}, StepLimits{9, 3}, StepLimits{64, 16}),
                         [](const testing::TestParamInfo<StepLimits>& limits) {
                           return absl::StrCat("Step", limits.param.max_step_tokens, "Chunk",
                                               limits.param.prefill_chunk_tokens);
                         });

}  // namespace
}  // namespace perennial
