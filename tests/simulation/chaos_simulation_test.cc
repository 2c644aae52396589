#include "tests/simulation/chaos_simulation.h"

#include "gtest/gtest.h"

namespace perennial {
namespace {

TEST(ChaosSimulationTest, KeepsItsBooksAndItsWord) { ExpectStorm(RunChaos(/*first_seed=*/1, /*num_seeds=*/100)); }

}  // namespace
}  // namespace perennial
