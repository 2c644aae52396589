#include "tests/simulation/engine_simulation.h"

#include "gtest/gtest.h"

namespace perennial {
namespace {

TEST(EngineSimulationTest, KeepsItsBooksAndItsWord) { RunSimulations(/*first_seed=*/1, /*num_seeds=*/100); }

}  // namespace
}  // namespace perennial
