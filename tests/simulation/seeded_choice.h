// The simulation's one source of randomness: a seed is a run.

#ifndef PERENNIAL_TESTS_SIMULATION_SEEDED_CHOICE_H_
#define PERENNIAL_TESTS_SIMULATION_SEEDED_CHOICE_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "absl/time/time.h"

namespace perennial {

// Not thread-safe. The same on every machine: nothing comes from the standard library's distributions.
class SeededChoice {
 public:
  explicit SeededChoice(uint64_t seed) : random_(seed) {}

  uint64_t Bits() { return random_(); }

  // Inclusive. REQUIRES: least <= most.
  int64_t Between(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(random_() % static_cast<uint64_t>(most - least + 1));
  }
  int32_t Between32(int32_t least, int32_t most) { return static_cast<int32_t>(Between(least, most)); }
  absl::Duration Seconds(int64_t least, int64_t most) { return absl::Seconds(Between(least, most)); }

  bool OneIn(int64_t n) { return Between(1, n) == 1; }

  // REQUIRES: not empty.
  template <typename T>
  T& Of(std::vector<T>& all) {
    return all[static_cast<size_t>(Between(0, static_cast<int64_t>(all.size()) - 1))];
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SIMULATION_SEEDED_CHOICE_H_
