// The engine with its thread: many callers at once, callbacks that call back, and the end.

#include "server/engine/batching_engine.h"

#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/server/engine/engine_fixture.h"

namespace perennial {
namespace {

class BatchingEngineTest : public EngineFixture {
 protected:
  std::string AwaitSession() {
    absl::Notification created;
    std::string id;
    engine().CreateSession(Spec(), [&](absl::StatusOr<SessionSummary> session) {
      EXPECT_TRUE(session.ok()) << session.status();
      id = session.ok() ? session->id : "";
      created.Notify();
    });
    created.WaitForNotification();
    return id;
  }
};

TEST_F(BatchingEngineTest, SleepsUntilItIsCalledAndAnswers) {
  engine().Start();
  const std::string session = AwaitSession();
  RecordingTurnSink sink;
  engine().Submit(Turn(session, "a", 20), &sink);
  EXPECT_TRUE(sink.AwaitResult().status.ok());
  engine().Stop();
  EXPECT_EQ(engine().Stats().turns_finished, 1);
}

TEST_F(BatchingEngineTest, CancelsPromptlyOnAWake) {
  engine().Start();
  const std::string session = AwaitSession();
  TurnSpec spec = Turn(session, "a", 0);
  spec.ignore_end_of_turn = true;
  RecordingTurnSink sink;
  const std::shared_ptr<TurnTicket> ticket = engine().Submit(spec, &sink);
  runner().AwaitSteps(10);
  ticket->Leave();
  engine().Wake();
  EXPECT_TRUE(absl::IsCancelled(sink.AwaitResult().status));
}

TEST_F(BatchingEngineTest, WakesForAPausedClient) {
  engine().Start();
  const std::string session = AwaitSession();
  RecordingTurnSink sink;
  absl::Notification paused;
  sink.on_event = [&](const TurnEvent& event) {
    if (event.sequence != 3) return;
    sink.SetReady(false);
    paused.Notify();
  };
  TurnSpec spec = Turn(session, "a", 50);
  engine().Submit(spec, &sink);
  paused.WaitForNotification();
  sink.SetReady(true);
  engine().Wake();
  EXPECT_TRUE(sink.AwaitResult().status.ok());
}

TEST_F(BatchingEngineTest, MayBeCalledFromItsCallbacks) {
  fake_.script = [](const FakeSight&) { return TokenId{'x'}; };
  engine().Start();
  RecordingTurnSink first, second;
  absl::Notification deleted;
  // Each call is made from the callback of the one before, on the engine thread.
  second.on_finish = [&](const TurnResult& result) {
    engine().DeleteSession(result.session_id, [&](absl::StatusOr<SessionSummary> session) {
      EXPECT_EQ(session->turns, 2);
      deleted.Notify();
    });
  };
  first.on_event = [&](const TurnEvent&) { engine().Wake(); };
  first.on_finish = [&](const TurnResult& result) {
    engine().GetSession(result.session_id, [](absl::StatusOr<SessionSummary> session) { EXPECT_TRUE(session.ok()); });
    engine().Submit(Turn(result.session_id, "b", 3), &second);
    engine().Stats();
  };
  engine().CreateSession(Spec(),
                         [&](absl::StatusOr<SessionSummary> s) { engine().Submit(Turn(s->id, "a", 3), &first); });
  deleted.WaitForNotification();
  EXPECT_EQ(second.result().turn, 2);
  engine().Stop();
}

TEST_F(BatchingEngineTest, EndsEverythingWhenItStops) {
  options_.max_running_turns = 1;
  engine().Start();
  TurnSpec endless = Turn(AwaitSession(), "a", 0);
  endless.ignore_end_of_turn = true;
  RecordingTurnSink running, waiting, late;
  engine().Submit(endless, &running);
  engine().Submit(endless, &waiting);
  runner().AwaitSteps(3);
  engine().Stop();
  EXPECT_EQ(ReasonOf(running.result().status), ErrorReason::kShuttingDown);
  EXPECT_EQ(ReasonOf(waiting.result().status), ErrorReason::kShuttingDown);
  engine().Submit(endless, &late);
  EXPECT_EQ(ReasonOf(late.result().status), ErrorReason::kShuttingDown) << "answered before Submit returned";
  bool refused = false;
  engine().GetSession(endless.session_id, [&](absl::StatusOr<SessionSummary> session) {
    refused = ReasonOf(session.status()) == ErrorReason::kShuttingDown;
  });
  EXPECT_TRUE(refused);
  engine().Stop();  // again: nothing
}

TEST_F(BatchingEngineTest, RefusesWhatItsInboxDoesNotHold) {
  options_.max_waiting_turns = 2;
  RecordingTurnSink sinks[3];
  for (RecordingTurnSink& sink : sinks) engine().Submit(Turn("x", "a"), &sink);
  EXPECT_FALSE(sinks[1].finished());
  EXPECT_EQ(ReasonOf(sinks[2].result().status), ErrorReason::kQueueFull);
  EXPECT_EQ(engine().Stats().turns_rejected, 1);
  RunOnce();
  EXPECT_EQ(ReasonOf(sinks[1].result().status), ErrorReason::kSessionNotFound);
  EXPECT_EQ(engine().Stats().turns_rejected, 3);
}

TEST_F(BatchingEngineTest, DrainsOnItsOwnThread) {
  engine().Start();
  TurnSpec spec = Turn(AwaitSession(), "a", 200);
  spec.ignore_end_of_turn = true;
  RecordingTurnSink sink;
  engine().Submit(spec, &sink);
  runner().AwaitSteps(1);
  absl::Notification drained;
  engine().Drain(clock_.Now() + absl::Hours(1), [&] { drained.Notify(); });
  drained.WaitForNotification();
  EXPECT_TRUE(sink.result().status.ok()) << "it had time to finish";
}

// Callers that do everything at once, while another ends the engine under them.
TEST_F(BatchingEngineTest, ServesManyThreadsUntilItStops) {
  fake_.script = RepliesFrom(TokensOf("abcdef"), kEndToken, 12);
  options_.max_running_turns = 4;
  options_.max_waiting_turns = 8;
  options_.max_sessions = 16;
  engine().Start();
  constexpr int kThreads = 6;
  constexpr int kTurns = 40;
  std::atomic<int> ok{0}, other{0};
  const auto client = [&](int number) {
    std::string session;
    {
      absl::Notification created;
      engine().CreateSession(Spec(), [&](absl::StatusOr<SessionSummary> s) {
        if (s.ok()) session = s->id;
        created.Notify();
      });
      created.WaitForNotification();
    }
    for (int i = 0; i < kTurns; ++i) {
      TurnSpec spec = Turn(session, "hello", 30);
      if (i % 5 == 4) {
        spec.session_id.clear();
        spec.ephemeral = Spec();
      }
      RecordingTurnSink sink;
      const std::shared_ptr<TurnTicket> ticket = engine().Submit(spec, &sink);
      if ((i + number) % 3 == 0) {
        ticket->Leave();
        engine().Wake();
      }
      engine().ListSessions({.page_size = 5, .page_token = "", .state = {}}, [](absl::StatusOr<SessionPage>) {});
      engine().Stats();
      ++(sink.AwaitResult().status.ok() ? ok : other);
    }
    engine().DeleteSession(session, [](absl::StatusOr<SessionSummary>) {});
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(client, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ok + other, kThreads * kTurns);
  EXPECT_GT(ok, 0);

  std::list<RecordingTurnSink> sinks;
  absl::BlockingCounter submitted(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    sinks.emplace_back();
    threads[static_cast<size_t>(i)] = std::thread([&, sink = &sinks.back()] {
      TurnSpec spec = Turn("", "a", 0);
      spec.ephemeral = Spec();
      spec.ignore_end_of_turn = true;
      engine().Submit(spec, sink);
      submitted.DecrementCount();
    });
  }
  engine().Stop();
  submitted.Wait();
  for (std::thread& thread : threads) thread.join();
  for (const RecordingTurnSink& sink : sinks) {
    EXPECT_EQ(ReasonOf(sink.result().status), ErrorReason::kShuttingDown) << sink.result().status;
  }
}

}  // namespace
}  // namespace perennial
