// The same storm for more seeds than a quick test run has time for; in parts, which may run side by side.

#include "gtest/gtest.h"
#include "tests/simulation/chaos_simulation.h"

namespace perennial {
namespace {

constexpr uint64_t kSeedsPerPart = 250;

class ChaosSimulationLongTest : public testing::TestWithParam<uint64_t> {};

TEST_P(ChaosSimulationLongTest, KeepsItsBooksAndItsWord) {
  ExpectStorm(RunChaos(/*first_seed=*/1000 + GetParam() * kSeedsPerPart, kSeedsPerPart));
}

INSTANTIATE_TEST_SUITE_P(Parts, ChaosSimulationLongTest, testing::Range(uint64_t{0}, uint64_t{8}));

}  // namespace
}  // namespace perennial
