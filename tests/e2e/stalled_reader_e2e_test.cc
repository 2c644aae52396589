// A reader that does not read, among eight that do, over real sockets. Times depend on the machine and are only
// printed; that the steps of the others do not change is shown under a clock of the test's
// (tests/server/engine/stalled_reader_test.cc).

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/chat_calls.h"
#include "tests/e2e/server_process.h"

namespace perennial {
namespace {

constexpr size_t kOthers = 8;
constexpr int64_t kTokens = 1500;

v1::ChatRequest SayAtLength(int64_t max_tokens) {
  v1::ChatRequest request = Say("", "tell me more");
  request.set_max_tokens(max_tokens);
  request.set_ignore_end_of_turn(true);
  return request;
}

// How long each of the eight took for its reply, with a ninth that reads, or does not.
std::vector<absl::Duration> TimesOfOthers(const std::string& address, bool ninth_reads, bool* paused) {
  const auto fixed = Connect(address, /*fixed_window=*/true);
  ChatStream ninth(*fixed, SayAtLength(0));
  EXPECT_TRUE(ninth.ReadUntil(v1::TurnEvent::kDelta));
  std::thread reader;
  if (ninth_reads) reader = std::thread([&ninth] { ninth.End(); });
  const auto stub = Connect(address);
  if (!ninth_reads) {
    // Until its buffers are full.
    while (GetStats(*stub).paused_turns() == 0) continue;
    *paused = true;
  }
  std::vector<absl::Duration> times(kOthers);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kOthers; ++i) {
    threads.emplace_back([&, i] {
      const absl::Time start = absl::Now();
      ChatStream chat(*stub, SayAtLength(kTokens));
      EXPECT_TRUE(chat.End().ok());
      EXPECT_EQ(chat.text().size(), static_cast<size_t>(kTokens));
      times[i] = absl::Now() - start;
    });
  }
  for (std::thread& thread : threads) thread.join();
  ninth.Cancel();
  if (reader.joinable()) reader.join();
  return times;
}

TEST(StalledReaderE2eTest, ReportsTheTimesOfOthers) {
  ServerProcess server(FAKE_PERENNIALD, {"--model=brisk", "--max_unread_bytes=4096", "--slow_reader_timeout=10m"});
  bool paused = false;
  for (const bool ninth_reads : {true, false}) {
    std::vector<absl::Duration> times = TimesOfOthers(server.address(), ninth_reads, &paused);
    std::sort(times.begin(), times.end());
    std::cout << "eight replies of " << kTokens << " tokens beside a reader that " << (ninth_reads ? "reads" : "stalls")
              << ": " << times.front() << " … " << times.back() << "\n";
  }
  EXPECT_TRUE(paused);
}

}  // namespace
}  // namespace perennial
