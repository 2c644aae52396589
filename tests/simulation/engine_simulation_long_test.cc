// The same storm for more seeds than a quick test run has time for.

#include "gtest/gtest.h"
#include "tests/simulation/engine_simulation.h"

namespace perennial {
namespace {

TEST(EngineSimulationLongTest, KeepsItsBooksAndItsWord) { RunSimulations(/*first_seed=*/1000, /*num_seeds=*/3000); }

}  // namespace
}  // namespace perennial
