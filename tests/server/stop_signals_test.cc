#include "server/stop_signals.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <thread>

namespace perennial {
namespace {

TEST(StopSignalsTest, BlockedSignalsWaitToBeAwaited) {
  BlockStopSignals();
  raise(SIGTERM);
  EXPECT_EQ(AwaitStopSignal(), SIGTERM);
  raise(SIGINT);
  EXPECT_EQ(AwaitStopSignal(), SIGINT);
}

TEST(StopSignalsTest, ThreadsStartedLaterDoNotTakeThem) {
  BlockStopSignals();
  sigset_t mask;
  std::thread([&mask] { pthread_sigmask(SIG_SETMASK, nullptr, &mask); }).join();
  EXPECT_EQ(sigismember(&mask, SIGTERM), 1);
  EXPECT_EQ(sigismember(&mask, SIGINT), 1);
}

TEST(StopSignalsDeathTest, TheNextSignalEndsTheProcess) {
  EXPECT_EXIT(
      {
        BlockStopSignals();
        ExitOnNextStopSignal(3);
        kill(getpid(), SIGTERM);
        while (true) pause();
      },
      ::testing::ExitedWithCode(3), "");
}

}  // namespace
}  // namespace perennial
