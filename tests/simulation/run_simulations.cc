// Many seeds of the simulation, and what they came to.

#include <cstdlib>
#include <iostream>

#include "absl/strings/numbers.h"
#include "gtest/gtest.h"
#include "tests/simulation/engine_simulation.h"

namespace perennial {

void EngineSimulation::Tally::Add(const Tally& other) {
  passes += other.passes;
  for (const auto& [ending, turns] : other.endings) endings[ending] += turns;
}

void RunSimulations(uint64_t first_seed, uint64_t num_seeds) {
  const char* only = std::getenv("PERENNIAL_SEED");
  if (only != nullptr) {
    ASSERT_TRUE(absl::SimpleAtoi(only, &first_seed)) << "PERENNIAL_SEED is not a number";
    num_seeds = 1;
  }
  EngineSimulation::Tally tally;
  for (uint64_t seed = first_seed; seed < first_seed + num_seeds; ++seed) {
    EngineSimulation simulation(seed);
    simulation.Run();
    tally.Add(simulation.tally());
    if (testing::Test::HasFailure()) {
      FAIL() << "seed " << seed << " failed at pass " << simulation.tally().passes
             << ". Replay: PERENNIAL_SEED=" << seed
             << " perennial_engine_simulation_test --gtest_filter='EngineSimulationTest.*'";
    }
  }
  std::cout << num_seeds << " seeds, " << tally.passes << " passes;";
  for (const auto& [ending, turns] : tally.endings) std::cout << " " << ending << " " << turns;
  std::cout << std::endl;
  if (only != nullptr) return;
  for (const char* ending : {"OK",
                             "undone",
                             "cut",
                             "not admitted",
                             "budget",
                             "budget, undone",
                             "budget used up before",
                             "SESSION_NOT_FOUND",
                             "TURN_IN_PROGRESS",
                             "NO_FREE_CACHE",
                             "QUEUE_FULL",
                             "SLOW_READER",
                             "SHUTTING_DOWN",
                             "MODEL_FAILURE",
                             "INVALID_FIELD",
                             "STORE_UNAVAILABLE",
                             "parked",
                             "resumed",
                             "forked",
                             "rewound"}) {
    EXPECT_GT(tally.endings[ending], 0) << "the storm never raised " << ending;
  }
}

}  // namespace perennial
