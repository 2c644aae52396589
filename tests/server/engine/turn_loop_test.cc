// Calls about sessions, and when the engine must wake.

#include "server/engine/turn_loop.h"

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/engine/engine_fixture.h"

namespace perennial {
namespace {

class TurnLoopTest : public EngineFixture {
 protected:
  absl::StatusOr<SessionSummary> Update(const std::string& id, SessionUpdate update) {
    absl::StatusOr<SessionSummary> updated = absl::UnknownError("not called");
    engine().UpdateSession(id, std::move(update), [&](absl::StatusOr<SessionSummary> s) { updated = std::move(s); });
    RunOnce();
    return updated;
  }
  absl::StatusOr<SessionPage> List(ListSpec spec) {
    absl::StatusOr<SessionPage> page = absl::UnknownError("not called");
    engine().ListSessions(std::move(spec), [&](absl::StatusOr<SessionPage> p) { page = std::move(p); });
    RunOnce();
    return page;
  }
};

TEST_F(TurnLoopTest, CreatesASessionThatReservesItsCache) {
  const absl::StatusOr<SessionSummary> session = TryCreateSession(Spec({kBos, 1, 2}));
  ASSERT_TRUE(session.ok());
  EXPECT_EQ(session->state, SessionState::kIdle);
  EXPECT_EQ(session->route, "route");
  EXPECT_EQ(session->expires, clock_.Now() + absl::Hours(1));
  EXPECT_EQ(session->memory.stream_tokens, 3);
  EXPECT_EQ(session->cache_bytes, 64 * FakeModelRunner::kRowBytes);
  EXPECT_EQ(runner().counters().live_caches, 0) << "it is taken when there is something to feed";
}

TEST_F(TurnLoopTest, RefusesASessionWithoutAFreeCache) {
  fake_.cache_memory_bytes = 2 * 64 * FakeModelRunner::kRowBytes;
  CreateSession();
  const std::string second = CreateSession();
  const absl::Status status = TryCreateSession(Spec()).status();
  EXPECT_EQ(ReasonOf(status), ErrorReason::kNoFreeCache);
  EXPECT_EQ(RetryAfterOf(status), options_.retry_after);
  EXPECT_TRUE(DeleteSession(second).ok());
  EXPECT_TRUE(TryCreateSession(Spec()).ok()) << "what was deleted is free again";
}

TEST_F(TurnLoopTest, RefusesBadSpecs) {
  SessionSpec bad = Spec();
  bad.shape.window_tokens = 0;
  EXPECT_EQ(ReasonOf(TryCreateSession(bad).status()), ErrorReason::kInvalidField);
  EXPECT_EQ(ReasonOf(Update("x", {.idle_timeout = absl::ZeroDuration(), .labels = {}}).status()),
            ErrorReason::kInvalidField);
  EXPECT_EQ(ReasonOf(List({}).status()), ErrorReason::kInvalidField);
}

TEST_F(TurnLoopTest, UpdatesLabelsAndExpiry) {
  const std::string session = CreateSession();
  clock_.Advance(absl::Minutes(10));
  absl::StatusOr<SessionSummary> updated = Update(session, {.idle_timeout = {}, .labels = Labels{{"a", "b"}}});
  EXPECT_EQ(updated->labels, (Labels{{"a", "b"}}));
  EXPECT_EQ(updated->expires, clock_.Now() + absl::Minutes(50)) << "labels do not keep a session alive";
  updated = Update(session, {.idle_timeout = absl::Minutes(5), .labels = {}});
  EXPECT_EQ(updated->labels, (Labels{{"a", "b"}}));
  EXPECT_EQ(updated->expires, clock_.Now() + absl::Minutes(5));
  EXPECT_EQ(engine().NextWakeTime(), clock_.Now() + absl::Minutes(5));
  EXPECT_EQ(ReasonOf(Update("none", {}).status()), ErrorReason::kSessionNotFound);
}

TEST_F(TurnLoopTest, ListsSessionsByState) {
  CreateSession();
  const std::string running = CreateSession();
  RecordingTurnSink sink;
  engine().Submit(Turn(running, "a", 1000), &sink);
  RunOnce();
  EXPECT_EQ(List({.page_size = 10, .page_token = "", .state = {}})->sessions.size(), 2u);
  const absl::StatusOr<SessionPage> page = List({.page_size = 10, .page_token = "", .state = SessionState::kRunning});
  ASSERT_EQ(page->sessions.size(), 1u);
  EXPECT_EQ(page->sessions[0].id, running);
  engine().Stop();  // before its sinks go
}

TEST_F(TurnLoopTest, SaysWhatIsInTheStreamWhileATurnRuns) {
  options_.prefill_chunk_tokens = 10;
  const std::string session = CreateSession();
  RecordingTurnSink sink;
  engine().Submit(Turn(session, std::string(48, 'p'), 1000), &sink);
  RunOnce();
  const absl::StatusOr<SessionSummary> seen = GetSession(session);  // answered before the second chunk
  EXPECT_EQ(seen->state, SessionState::kRunning);
  EXPECT_EQ(seen->memory.stream_tokens, 50);
  EXPECT_EQ(seen->memory.visible_tokens, 10);
  engine().Stop();  // before its sinks go
}

TEST_F(TurnLoopTest, HasNothingToDoWithoutSessions) {
  EXPECT_FALSE(RunOnce());
  EXPECT_EQ(engine().NextWakeTime(), absl::InfiniteFuture());
}

}  // namespace
}  // namespace perennial
