// Time, injected: the engine and its tests never ask the system themselves.

#ifndef PERENNIAL_SERVER_ENGINE_CLOCK_H_
#define PERENNIAL_SERVER_ENGINE_CLOCK_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace perennial {

// The wall clock, because the deadlines of gRPC's calls are on it. Thread-safe. Must outlive whoever has it.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_CLOCK_H_
