#include "server/engine/scheduler.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
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

// The first step of all.
std::vector<TurnShare> PlanFirstStep(const std::vector<TurnDemand>& demands, const StepLimits& limits) {
  StepHistory history;
  return PlanStep(demands, limits, history);
}

TEST(SchedulerTest, PlansNothingForNobody) { EXPECT_THAT(PlanFirstStep({}, {}), IsEmpty()); }

TEST(SchedulerTest, DecodesAllAndPrefillsOneChunkBeside) {
  EXPECT_THAT(
      PlanFirstStep(Demands({kDecode, 300, kDecode, 300}), {.max_step_tokens = 512, .prefill_chunk_tokens = 128}),
      ElementsAre(TurnShare{0, 1}, TurnShare{2, 1}, TurnShare{1, 128}));
}

TEST(SchedulerTest, PrefillsOneChunkOfEachWhileNobodyDecodes) {
  EXPECT_THAT(PlanFirstStep(Demands({300, 100, 300, 300, 300}), {.max_step_tokens = 400, .prefill_chunk_tokens = 128}),
              ElementsAre(TurnShare{0, 128}, TurnShare{1, 100}, TurnShare{2, 128}, TurnShare{3, 44}));
}

TEST(SchedulerTest, LetsAPausedTurnWait) {
  std::vector<TurnDemand> demands = Demands({kDecode, 10, kDecode, 10});
  demands[0].paused = demands[1].paused = true;
  EXPECT_THAT(PlanFirstStep(demands, {.max_step_tokens = 100, .prefill_chunk_tokens = 100}),
              ElementsAre(TurnShare{2, 1}, TurnShare{3, 10}));
  for (TurnDemand& demand : demands) demand.paused = true;
  EXPECT_THAT(PlanFirstStep(demands, {.max_step_tokens = 100, .prefill_chunk_tokens = 100}), IsEmpty());
}

TEST(SchedulerTest, ServesTheLongestUnservedFirst) {
  std::vector<TurnDemand> demands = Demands({50, 50, 50, kDecode, kDecode});
  demands[0].last_service = 3;
  demands[1].last_service = 2;
  demands[2].last_service = 3;
  demands[3].last_service = 9;
  demands[4].last_service = 8;
  EXPECT_THAT(PlanFirstStep(demands, {.max_step_tokens = 2, .prefill_chunk_tokens = 64}),
              ElementsAre(TurnShare{4, 1}, TurnShare{1, 1}));
}

TEST(SchedulerTest, GivesBatchTurnsAFourthOfWhatInteractiveOnesWantToo) {
  std::vector<TurnDemand> demands = Demands({kDecode, kDecode, kDecode, kDecode, kDecode, kDecode, 100, 100});
  for (const size_t batch : {0, 1, 2, 6}) demands[batch].priority = Priority::kBatch;
  EXPECT_THAT(PlanFirstStep(demands, {.max_step_tokens = 16, .prefill_chunk_tokens = 12}),
              ElementsAre(TurnShare{3, 1}, TurnShare{4, 1}, TurnShare{5, 1}, TurnShare{0, 1}, TurnShare{1, 1},
                          TurnShare{2, 1}, TurnShare{7, 8}, TurnShare{6, 2}));
  EXPECT_THAT(PlanFirstStep(demands, {.max_step_tokens = 5, .prefill_chunk_tokens = 1}),
              ElementsAre(TurnShare{3, 1}, TurnShare{4, 1}, TurnShare{5, 1}, TurnShare{0, 1}, TurnShare{7, 1}));
}

TEST(SchedulerTest, LetsTenantsTakeTurnsHoweverManyTurnsTheyHave) {
  // Tenant 1 has one turn, tenant 0 five; each step has room for two.
  std::vector<TurnDemand> demands(6, {.tokens = 1, .decoding = true});
  demands[5].tenant = 1;
  StepHistory history;
  int64_t services = 0;
  std::vector<int> served(demands.size());
  for (int step = 0; step < 50; ++step) {
    for (const TurnShare& share : PlanStep(demands, {.max_step_tokens = 2, .prefill_chunk_tokens = 1}, history)) {
      demands[share.turn].last_service = ++services;
      ++served[share.turn];
    }
  }
  EXPECT_THAT(served, ElementsAre(10, 10, 10, 10, 10, 50));
}

// Every world of a few turns, each decoding, short, long or paused, interactive or batch, of one of two tenants, under
// small limits; each is also run on, with turns that never finish, to see that nobody starves.
class SchedulerWorldsTest : public testing::TestWithParam<StepLimits> {
 protected:
  static void ForEachWorld(const std::function<void(const std::vector<TurnDemand>&)>& check) {
    ForEachWorldOf(4, 5, 1, check);
    ForEachWorldOf(3, 3, 4, check);
    ForEachWorldOf(4, 2, 4, check);
  }

 private:
  // Up to `most_turns` turns of the first `kinds` kinds, and of the first `classes` of priority and tenant.
  static void ForEachWorldOf(size_t most_turns, size_t kinds, size_t classes,
                             const std::function<void(const std::vector<TurnDemand>&)>& check) {
    for (size_t turns = 1; turns <= most_turns; ++turns) {
      size_t worlds = 1;
      for (size_t i = 0; i < turns; ++i) worlds *= kinds * classes;
      for (size_t world = 0; world < worlds; ++world) {
        std::vector<TurnDemand> demands;
        size_t rest = world;
        for (size_t i = 0; i < turns; ++i, rest /= kinds * classes) {
          const size_t kind = rest % kinds;
          const size_t group = rest / kinds % classes;
          demands.push_back({.tokens = kind == 1   ? 100
                                       : kind == 3 ? 2
                                                   : 1,
                             .decoding = kind == 0 || kind == 4,
                             .paused = kind == 4,
                             .priority = group % 2 == 0 ? Priority::kInteractive : Priority::kBatch,
                             .tenant = static_cast<int32_t>(group / 2)});
        }
        check(demands);
        if (HasFailure()) return;
      }
    }
  }
};

// What some of the turns want in one step, and get.
struct Sum {
  int64_t wanted = 0;
  int64_t given = 0;
};

Sum SumOf(const std::vector<TurnDemand>& demands, const std::vector<TurnShare>& plan, const StepLimits& limits,
          const std::function<bool(const TurnDemand&)>& counts) {
  Sum sum;
  for (const TurnDemand& demand : demands) {
    if (!demand.paused && counts(demand)) sum.wanted += std::min<int64_t>(demand.tokens, limits.prefill_chunk_tokens);
  }
  for (const TurnShare& share : plan) sum.given += counts(demands[share.turn]) ? share.tokens : 0;
  return sum;
}

TEST_P(SchedulerWorldsTest, KeepsEveryLimit) {
  const StepLimits limits = GetParam();
  ForEachWorld([&](const std::vector<TurnDemand>& demands) {
    const std::vector<TurnShare> plan = PlanFirstStep(demands, limits);
    std::vector<bool> planned(demands.size());
    for (const TurnShare& share : plan) {
      const TurnDemand& demand = demands[share.turn];
      EXPECT_FALSE(planned[share.turn]) << "a turn twice in one step";
      planned[share.turn] = true;
      EXPECT_FALSE(demand.paused);
      EXPECT_GE(share.tokens, 1);
      EXPECT_LE(share.tokens, demand.tokens);
      EXPECT_LE(share.tokens, limits.prefill_chunk_tokens);
    }
    const Sum decode = SumOf(demands, plan, limits, [](const TurnDemand& turn) { return turn.decoding; });
    const Sum prefill = SumOf(demands, plan, limits, [](const TurnDemand& turn) { return !turn.decoding; });
    const int64_t total = decode.given + prefill.given;
    EXPECT_LE(total, limits.max_step_tokens);
    EXPECT_EQ(total > 0, decode.wanted + prefill.wanted > 0);
    if (decode.given > 0) {
      EXPECT_LE(prefill.given, limits.prefill_chunk_tokens);
    }
    if (decode.wanted == 0 || prefill.wanted == 0) {
      EXPECT_EQ(total, std::min<int64_t>(decode.wanted + prefill.wanted, limits.max_step_tokens)) << "room unused";
    } else if (limits.max_step_tokens >= 2) {
      const int64_t share = std::max(1, limits.max_step_tokens / kPrefillShare);
      const int64_t promised = std::min<int64_t>({prefill.wanted, share, limits.prefill_chunk_tokens});
      EXPECT_GE(prefill.given, promised);
      EXPECT_EQ(decode.given, std::min(decode.wanted, limits.max_step_tokens - promised));
    }
  });
}

TEST_P(SchedulerWorldsTest, SharesEachKindBetweenThePriorities) {
  const StepLimits limits = GetParam();
  ForEachWorld([&](const std::vector<TurnDemand>& demands) {
    StepHistory history;
    const std::vector<TurnShare> plan = PlanStep(demands, limits, history);
    for (const bool decoding : {true, false}) {
      const Sum interactive = SumOf(demands, plan, limits, [decoding](const TurnDemand& turn) {
        return turn.decoding == decoding && turn.priority == Priority::kInteractive;
      });
      const Sum batch = SumOf(demands, plan, limits, [decoding](const TurnDemand& turn) {
        return turn.decoding == decoding && turn.priority == Priority::kBatch;
      });
      const int64_t given = interactive.given + batch.given;
      const int64_t for_batch = interactive.wanted == 0 ? given : std::min(batch.wanted, given / kBatchShare);
      EXPECT_GE(batch.given, for_batch);
      EXPECT_EQ(interactive.given, std::min(interactive.wanted, given - for_batch));
    }
  });
}

TEST_P(SchedulerWorldsTest, ServesEveryTurnWithinTheStatedSteps) {
  const StepLimits limits = GetParam();
  ForEachWorld([&](std::vector<TurnDemand> demands) {
    // k * c * T * N of the header, by turn.
    std::vector<int64_t> bounds;
    for (const TurnDemand& turn : demands) {
      std::map<int32_t, int64_t> turns_of_tenants;
      int64_t k = 1, c = 1, n = 0;
      for (const TurnDemand& other : demands) {
        if (other.paused) continue;
        if (other.decoding != turn.decoding) {
          if (limits.max_step_tokens == 1) k = 2;
        } else if (other.priority != turn.priority) {
          c = turn.priority == Priority::kBatch ? 4 : 2;
        } else {
          n = std::max(n, ++turns_of_tenants[other.tenant]);
        }
      }
      bounds.push_back(k * c * static_cast<int64_t>(turns_of_tenants.size()) * n);
    }
    StepHistory history;
    int64_t services = 0;
    std::vector<int64_t> served_in(demands.size());
    for (int64_t step = 1; step <= 24; ++step) {
      for (const TurnShare& share : PlanStep(demands, limits, history)) {
        demands[share.turn].last_service = ++services;
        served_in[share.turn] = step;
      }
      for (size_t i = 0; i < demands.size(); ++i) {
        if (!demands[i].paused) {
          EXPECT_LT(step - served_in[i], bounds[i]) << i << " at step " << step;
        }
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Limits, SchedulerWorldsTest,
                         testing::Values(StepLimits{1, 1}, StepLimits{1, 8}, StepLimits{2, 1}, StepLimits{2, 8},
                                         StepLimits{3, 2}, StepLimits{5, 64}, StepLimits{9, 3}),
                         [](const testing::TestParamInfo<StepLimits>& limits) {
                           return absl::StrCat("Step", limits.param.max_step_tokens, "Chunk",
                                               limits.param.prefill_chunk_tokens);
                         });

}  // namespace
}  // namespace perennial
