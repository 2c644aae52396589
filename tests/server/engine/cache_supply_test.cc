// More sessions than caches: who is parked for whom, and that nobody stalls, starves or is lost.

#include "server/engine/cache_supply.h"

#include <algorithm>
#include <list>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/server/engine/stream_oracle.h"

namespace perennial {
namespace {

class CacheSupplyTest : public EngineFixture {
 protected:
  bool Parked(const std::string& session) { return GetSession(session)->parked; }

  // Runs until `session` is parked or brought back.
  void RunUntilParked(const std::string& session, bool parked) {
    for (int pass = 0; pass < 1000 && Parked(session) != parked; ++pass) RunOnce();
    ASSERT_EQ(Parked(session), parked);
  }
};

TEST_F(CacheSupplyTest, ParksTheLeastRecentlyUsedSession) {
  SetRoom(2, 3);
  const std::string a = CreateSession(), b = CreateSession(), c = CreateSession();
  EXPECT_EQ(engine().Stats().cache_bytes, 0) << "a session without tokens has no cache";
  for (const std::string& session : {a, b, a, c}) {
    clock_.Advance(absl::Seconds(1));
    Say(session, "hello", 5);
  }
  EXPECT_FALSE(Parked(a));
  EXPECT_TRUE(Parked(b));
  EXPECT_FALSE(Parked(c));
  Say(b, "hello", 5);
  EXPECT_TRUE(Parked(a));
  const EngineStats stats = engine().Stats();
  EXPECT_EQ(stats.parked_sessions, 1);
  EXPECT_EQ(stats.sessions_parked, 2);
  EXPECT_EQ(stats.sessions_resumed, 1);
  EXPECT_EQ(stats.cache_bytes, 2 * 64 * FakeModelRunner::kRowBytes);
}

TEST_F(CacheSupplyTest, ParkedCachesAreCompacted) {
  SetRoom(1, 3);
  const std::string a = CreateSession(), b = CreateSession();
  Say(a, "hello", 5);
  const int64_t visible = GetSession(a)->memory.visible_tokens;
  ASSERT_LT(visible, 20);
  Say(b, "hello", 5);
  EXPECT_EQ(engine().Stats().parked_bytes, visible * FakeModelRunner::kRowBytes);
  EXPECT_EQ(engine().Stats().copied_bytes, visible * FakeModelRunner::kRowBytes);
  EXPECT_TRUE(DeleteSession(a).ok());
  EXPECT_EQ(engine().Stats().parked_bytes, 0);
  EXPECT_EQ(engine().Stats().parked_sessions, 0);
}

TEST_F(CacheSupplyTest, RepliesDoNotDependOnParking) {
  SetRoom(1, 3);
  for (const EvictionPolicy eviction : {EvictionPolicy::kTokenWise}) {
    eviction_ = eviction;
    const std::string a = CreateSession(), b = CreateSession();
    StreamOracle oracle_a(FakeScript(), Spec(), end_tokens_, reply_end_),
        oracle_b(FakeScript(), Spec(), end_tokens_, reply_end_);
    for (int turn = 0; turn < 12; ++turn) {
      TurnSpec spec = Turn(a, "turn " + std::to_string(turn), 9);
      EXPECT_EQ(Say(a, "turn " + std::to_string(turn), 9), oracle_a.Say(spec).text);
      EXPECT_EQ(Say(b, "turn " + std::to_string(turn), 9), oracle_b.Say(spec).text);
    }
  }
  EXPECT_EQ(engine().Stats().sessions_parked, 23);
}

TEST_F(CacheSupplyTest, OthersDecodeWhileACacheIsMoved) {
  SetRoom(2, 3);
  options_.copy_bytes_per_step = 3 * FakeModelRunner::kRowBytes;
  fake_.script = [](const FakeSight&) { return TokenId{'x'}; };
  const std::string mover = CreateSession(), decoder = CreateSession(), newcomer = CreateSession();
  Say(mover, "a", 60);
  RecordingTurnSink decoding, waiting;
  engine().Submit(Turn(decoder, "b", 100'000), &decoding);
  RunOnce();
  engine().Submit(Turn(newcomer, "c", 3), &waiting);
  int passes = 0;
  while (waiting.EventsOf<TurnStarted>().empty()) {
    const EngineStats before = engine().Stats();
    ASSERT_TRUE(RunOnce());
    const EngineStats after = engine().Stats();
    EXPECT_EQ(after.steps, before.steps + 1) << "every pass is a step of the others";
    EXPECT_LE(after.copied_bytes - before.copied_bytes, options_.copy_bytes_per_step);
    ++passes;
  }
  EXPECT_EQ(waiting.EventsOf<TurnQueued>().size(), 1u) << "it shows as waiting";
  EXPECT_GE(passes, 64 / 3);
  engine().Stop();
}

TEST_F(CacheSupplyTest, ATurnWhoseCacheIsOnItsWayIsPassedByOthers) {
  SetRoom(2, 3);
  options_.copy_bytes_per_step = FakeModelRunner::kRowBytes;
  const std::string a = CreateSession(), b = CreateSession(), c = CreateSession();
  for (const std::string& session : {a, b, c}) Say(session, "hello", 9);
  ASSERT_TRUE(Parked(a));
  RecordingTurnSink slow, quick;
  engine().Submit(Turn(a, "x", 3), &slow);
  RunUntilParked(b, true);  // the least recently used one went for it
  RunOnce();
  engine().Submit(Turn(c, "x", 3), &quick);
  while (!quick.finished()) ASSERT_TRUE(RunOnce());
  EXPECT_FALSE(slow.finished());
  RunUntilIdle();
  EXPECT_TRUE(slow.result().status.ok());
}

TEST_F(CacheSupplyTest, NobodyStarvesWhileOthersAlwaysHaveATurn) {
  SetRoom(2, 4);
  fake_.script = RepliesOfLength(kStart, 4, {'x'}, kEndToken);
  const std::string busy[] = {CreateSession(), CreateSession()};
  const std::string rare = CreateSession();
  std::list<RecordingTurnSink> sinks;
  const auto keep_busy = [&] {
    for (const std::string& session : busy) {
      while (GetSession(session)->state != SessionState::kWaiting) {  // always one in line
        engine().Submit(Turn(session, "again"), &sinks.emplace_back());
        RunOnce();
      }
    }
  };
  for (int round = 0; round < 20; ++round) {
    RecordingTurnSink sink;
    engine().Submit(Turn(rare, "me too"), &sink);
    int passes = 0;
    for (; !sink.finished(); ++passes) {
      keep_busy();
      ASSERT_LT(passes, 60) << "starved in round " << round;
    }
  }
  engine().Stop();
}

TEST_F(CacheSupplyTest, ABigSessionIsNotStarvedBySmallOnes) {
  SetRoom(4, 8);
  fake_.script = RepliesOfLength(kStart, 4, {'x'}, kEndToken);
  SessionSpec big_spec = Spec();
  big_spec.shape.window_tokens = 3 * 64 - 4;  // three places at once
  const std::string big = TryCreateSession(big_spec)->id;
  std::vector<std::string> small;
  for (int i = 0; i < 5; ++i) small.push_back(CreateSession());
  std::list<RecordingTurnSink> sinks;
  for (int round = 0; round < 10; ++round) {
    RecordingTurnSink sink;
    engine().Submit(Turn(big, "big"), &sink);
    int passes = 0;
    for (; !sink.finished(); ++passes) {
      for (const std::string& session : small) {
        if (GetSession(session)->state == SessionState::kIdle) {
          engine().Submit(Turn(session, "small"), &sinks.emplace_back());
        }
      }
      RunOnce();
      ASSERT_LT(passes, 60) << "starved in round " << round;
    }
  }
  engine().Stop();
  for (const RecordingTurnSink& sink : sinks) {
    EXPECT_TRUE(sink.result().status.ok() || ReasonOf(sink.result().status) == ErrorReason::kShuttingDown);
  }
}

TEST_F(CacheSupplyTest, SessionsCanGoWhileTheyAreMoved) {
  SetRoom(1, 3);
  options_.copy_bytes_per_step = FakeModelRunner::kRowBytes;
  const std::string a = CreateSession(), b = CreateSession(), c = CreateSession();
  Say(a, "hello", 20);
  RecordingTurnSink for_b;
  engine().Submit(Turn(b, "x", 3), &for_b);
  for (int i = 0; i < 3; ++i) RunOnce();
  ASSERT_GT(engine().Stats().parked_bytes, 0) << "a is being parked";
  EXPECT_TRUE(DeleteSession(a).ok());
  RunUntilIdle();
  EXPECT_TRUE(for_b.result().status.ok());

  // A turn that is cancelled while its cache is being brought back; then the session expires in the middle.
  Say(c, "hello", 20);
  ASSERT_TRUE(Parked(b));
  RecordingTurnSink cancelled;
  const std::shared_ptr<TurnTicket> ticket = engine().Submit(Turn(b, "y", 3), &cancelled);
  RunUntilParked(c, true);
  for (int i = 0; i < 3; ++i) RunOnce();
  ticket->Leave();
  RunOnce();
  EXPECT_TRUE(absl::IsCancelled(cancelled.result().status));
  clock_.Advance(absl::Hours(2));
  RunUntilIdle();
  EXPECT_EQ(engine().Stats().sessions, 0);
  EXPECT_EQ(engine().Stats().parked_bytes, 0);
  EXPECT_EQ(runner().counters().live_caches, 0);
}

TEST_F(CacheSupplyTest, AResumeGoesOnWithoutTheTurnThatAskedForIt) {
  SetRoom(1, 3);
  options_.copy_bytes_per_step = FakeModelRunner::kRowBytes;
  const std::string a = CreateSession(), b = CreateSession();
  StreamOracle oracle(FakeScript(), Spec(), end_tokens_, reply_end_);
  EXPECT_EQ(Say(a, "one", 9), oracle.Say(Turn(a, "one", 9)).text);
  Say(b, "x", 3);
  RecordingTurnSink sink;
  const std::shared_ptr<TurnTicket> ticket = engine().Submit(Turn(a, "two", 9), &sink);
  RunUntilParked(b, true);
  RunOnce();
  ticket->Leave();
  RunUntilIdle();
  EXPECT_EQ(Say(a, "three", 9), oracle.Say(Turn(a, "three", 9)).text);
}

TEST_F(CacheSupplyTest, AllRoomTakenIsSaidAtCreation) {
  SetRoom(2, 3);
  for (int i = 0; i < 4; ++i) CreateSession();
  const absl::Status full = TryCreateSession(Spec()).status();
  EXPECT_EQ(ReasonOf(full), ErrorReason::kNoFreeCache);
  EXPECT_EQ(RetryAfterOf(full), options_.retry_after);
}

TEST_F(CacheSupplyTest, AnEphemeralSessionTakesACacheFromAnIdleOne) {
  SetRoom(1, 2);
  const std::string a = CreateSession();
  Say(a, "hello", 5);
  TurnSpec spec = Turn("", "x", 3);
  spec.ephemeral = Spec();
  RecordingTurnSink sink;
  EXPECT_TRUE(Run(spec, sink).status.ok());
  EXPECT_TRUE(Parked(a));
  EXPECT_EQ(engine().Stats().sessions, 1);
}

}  // namespace
}  // namespace perennial
