// Readers that come and go on threads of their own, while the engine runs on its.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/server/engine/turn_requests_fixture.h"

namespace perennial {
namespace {

using TurnThreadsTest = TurnRequestsFixture;

// The number of the first event that `sink` has not got.
int64_t NextOf(const RecordingTurnSink& sink, int64_t first) {
  int64_t next = first;
  for (const TurnEvent& event : sink.events()) {
    if (!std::holds_alternative<TurnState>(event.event)) next = event.sequence + 1;
  }
  return next;
}

TEST_F(TurnThreadsTest, ClientsThatLeaveAndComeBackMissNothing) {
  options_.max_running_turns = 4;
  engine().Start();
  constexpr int kClients = 6;
  constexpr int kTurns = 12;
  constexpr int64_t kTokens = 60;
  std::atomic<int> wholes{0};
  const auto client = [&](int number) {
    std::string session;
    absl::Notification created;
    engine().CreateSession(Spec(), [&](absl::StatusOr<SessionSummary> s) {
      if (s.ok()) session = s->id;
      created.Notify();
    });
    created.WaitForNotification();
    for (int turn = 0; turn < kTurns; ++turn) {
      const std::string id = absl::StrCat(number, "/", turn);
      std::string text;
      int64_t next = 1;
      {
        // Leaves in the middle, having been slow for a while.
        RecordingTurnSink first;
        const std::shared_ptr<TurnTicket> ticket = Submit(Named(session, id, kTokens), first);
        first.SetReady(turn % 2 == 0);
        engine().Stats();
        first.SetReady(true);
        ticket->Leave();
        engine().Wake();
        const bool whole = first.AwaitResult().status.ok();
        text = first.text();
        next = NextOf(first, 1);
        if (whole) next = 0;
      }
      RecordingTurnSink onlooker;  // from the beginning, at the same time
      AttachTo(session, id, onlooker);
      for (int attempt = turn; next > 0; ++attempt) {
        RecordingTurnSink back(next);
        const std::shared_ptr<TurnTicket> ticket =
            engine().Attach({.turn = {.session_id = session, .request_id = id}, .from_sequence = next}, &back);
        if (attempt % 3 != 0) {
          ticket->Leave();
          engine().Wake();
        }
        const bool whole = back.AwaitResult().status.ok();
        text += back.text();
        next = whole ? 0 : NextOf(back, next);
      }
      EXPECT_TRUE(onlooker.AwaitResult().status.ok());
      EXPECT_EQ(onlooker.text(), text);
      if (text.size() == kTokens) ++wholes;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) threads.emplace_back(client, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wholes, kClients * kTurns);
  EXPECT_EQ(engine().Stats().turns_started, kClients * kTurns);
  engine().Stop();
}

}  // namespace
}  // namespace perennial
