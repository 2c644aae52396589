// Drives an engine as BatchingEngine::Run does, but on the test's thread and clock: a pass is made while there is work,
// when a call has woken the engine, or when the time has come that it had named. Not otherwise: so an engine that
// sleeps although it has something to do shows as a turn that is stuck.

#ifndef PERENNIAL_TESTS_SIMULATION_ENGINE_DRIVER_H_
#define PERENNIAL_TESTS_SIMULATION_ENGINE_DRIVER_H_

#include <cstdint>

#include "absl/time/time.h"
#include "server/engine/clock.h"
#include "server/engine/engine.h"

namespace perennial {

class EngineDriver {
 public:
  // Both must outlive the driver.
  EngineDriver(Engine* engine, const Clock* clock) : engine_(engine), clock_(clock) {}

  // True if the engine's thread would wait now.
  bool asleep() const { return !worked_ && !engine_->Woken() && clock_->Now() < wake_time_; }

  // The next pass, unless the engine is asleep. True if it made one.
  bool Pass() {
    if (asleep()) return false;
    ++passes_;
    worked_ = engine_->RunOnce();
    if (!worked_) wake_time_ = engine_->NextWakeTime();
    return true;
  }

  // A pass that nothing calls for: false if it finds something to do, which a sleeping engine would have missed.
  bool SleepsRightly() {
    const bool worked = engine_->RunOnce();
    if (!worked) wake_time_ = engine_->NextWakeTime();
    return !worked;
  }

  int64_t passes() const { return passes_; }
  // Of the last pass.
  bool worked() const { return worked_; }

 private:
  Engine* const engine_;
  const Clock* const clock_;
  int64_t passes_ = 0;
  bool worked_ = true;
  absl::Time wake_time_ = absl::InfinitePast();
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SIMULATION_ENGINE_DRIVER_H_
