#include "client/command/interrupt.h"

#include <poll.h>
#include <signal.h>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

bool IsReadable(int fd) {
  pollfd readable{fd, POLLIN, 0};
  return poll(&readable, 1, 0) == 1;
}

TEST(InterruptTest, NotesSignalsUntilCleared) {
  Interrupt interrupt;
  EXPECT_FALSE(interrupt.Clear());
  raise(SIGINT);
  raise(SIGINT);
  EXPECT_TRUE(IsReadable(interrupt.fd()));
  EXPECT_TRUE(interrupt.Clear());
  EXPECT_FALSE(IsReadable(interrupt.fd()));
  EXPECT_FALSE(interrupt.Clear());
  EXPECT_FALSE(interrupt.quit_requested());
}

TEST(InterruptTest, TerminationAsksToQuit) {
  for (const int signal : {SIGTERM, SIGHUP}) {
    Interrupt interrupt;
    EXPECT_FALSE(interrupt.quit_requested());
    raise(signal);
    EXPECT_TRUE(interrupt.Clear());
    EXPECT_TRUE(interrupt.quit_requested()) << "stays";
  }
}

TEST(InterruptTest, GivesTheSignalBack) {
  { Interrupt interrupt; }
  struct sigaction action {};
  sigaction(SIGINT, nullptr, &action);
  EXPECT_EQ(action.sa_handler, SIG_DFL);
}

TEST(InterruptTest, IgnoredSignalsStayIgnored) {
  signal(SIGINT, SIG_IGN);
  {
    Interrupt interrupt;
    raise(SIGINT);
    EXPECT_FALSE(interrupt.Clear());
  }
  signal(SIGINT, SIG_DFL);
}

TEST(OnInterruptTest, CallsForEverySignalAndClearsIt) {
  Interrupt interrupt;
  absl::Notification called[2];
  {
    const OnInterrupt on_interrupt(interrupt, [&called, times = 0]() mutable { called[times++].Notify(); });
    for (absl::Notification& one : called) {
      raise(SIGINT);
      ASSERT_TRUE(one.WaitForNotificationWithTimeout(absl::Seconds(10)));
    }
  }
  EXPECT_FALSE(interrupt.Clear());
}

TEST(OnInterruptTest, WithoutASignalNothingIsCalled) {
  Interrupt interrupt;
  {
    const OnInterrupt on_interrupt(interrupt, [] { ADD_FAILURE() << "called"; });
  }
  raise(SIGINT);
  EXPECT_TRUE(interrupt.Clear()) << "left for the next one to ask";
}

}  // namespace
}  // namespace perennial
