// How often each thing happened in a simulation, so that a test can see that the storm was one.

#ifndef PERENNIAL_TESTS_SIMULATION_TALLY_H_
#define PERENNIAL_TESTS_SIMULATION_TALLY_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace perennial {

// Not thread-safe.
class Tally {
 public:
  void Count(absl::string_view what, int64_t times = 1) {
    const auto found = counts_.find(what);
    if (found == counts_.end()) {
      counts_.emplace(what, times);
    } else {
      found->second += times;
    }
  }

  void Add(const Tally& other) {
    for (const auto& [what, times] : other.counts_) Count(what, times);
  }

  int64_t Of(absl::string_view what) const {
    const auto found = counts_.find(what);
    return found == counts_.end() ? 0 : found->second;
  }

  // "what 3, other 5", by name.
  std::string ToString() const {
    std::string all;
    for (const auto& [what, times] : counts_) absl::StrAppend(&all, all.empty() ? "" : ", ", what, " ", times);
    return all;
  }

 private:
  std::map<std::string, int64_t, std::less<>> counts_;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SIMULATION_TALLY_H_
