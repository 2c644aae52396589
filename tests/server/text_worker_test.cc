#include "server/text_worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "server/engine/error.h"

namespace perennial {
namespace {

TEST(TextWorkerTest, ShortTextsRunOnTheCallersThread) {
  TextWorker worker(10, 1, absl::Seconds(1));
  std::thread::id thread;
  ASSERT_TRUE(worker.Run(10, [&thread] { thread = std::this_thread::get_id(); }).ok());
  EXPECT_EQ(thread, std::this_thread::get_id());
}

TEST(TextWorkerTest, LongTextsRunOnTheTextThreadInOrder) {
  TextWorker worker(10, 3, absl::Seconds(1));
  std::vector<int> order;
  std::thread::id thread;
  absl::Notification done;
  ASSERT_TRUE(worker.Run(11, [&] { order.push_back(1); }).ok());
  ASSERT_TRUE(worker.Run(11, [&] { order.push_back(2); }).ok());
  ASSERT_TRUE(worker
                  .Run(11,
                       [&] {
                         order.push_back(3);
                         thread = std::this_thread::get_id();
                         done.Notify();
                       })
                  .ok());
  done.WaitForNotification();
  EXPECT_NE(thread, std::this_thread::get_id());
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(TextWorkerTest, RefusesMoreThanMayWait) {
  absl::Notification begun;
  absl::Notification go_on;
  std::atomic<int> runs = 0;
  {
    TextWorker worker(0, 1, absl::Seconds(2));
    ASSERT_TRUE(worker
                    .Run(1,
                         [&] {
                           begun.Notify();
                           go_on.WaitForNotification();
                           ++runs;
                         })
                    .ok());
    begun.WaitForNotification();
    ASSERT_TRUE(worker.Run(1, [&runs] { ++runs; }).ok());  // waits
    const absl::Status status = worker.Run(1, [&runs] { runs += 100; });
    EXPECT_EQ(ReasonOf(status), ErrorReason::kQueueFull);
    EXPECT_EQ(RetryAfterOf(status), absl::Seconds(2));
    go_on.Notify();
  }  // what waits is still run
  EXPECT_EQ(runs, 2);
}

}  // namespace
}  // namespace perennial
