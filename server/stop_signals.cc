#include "server/stop_signals.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "model/check.h"

namespace perennial {
namespace {

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

void BlockStopSignals() {
  const sigset_t signals = StopSignals();
  PERENNIAL_CHECK(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
}

int AwaitStopSignal() {
  const sigset_t signals = StopSignals();
  int signal = 0;
  PERENNIAL_CHECK(sigwait(&signals, &signal) == 0);
  return signal;
}

void ExitOnNextStopSignal(int exit_code) {
  std::thread([exit_code] {
    AwaitStopSignal();
    _exit(exit_code);
  }).detach();
}

}  // namespace perennial
