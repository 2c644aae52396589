// Forks; and copies that fail.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/error.h"
#include "tests/fake_parked_store.h"
#include "tests/server/engine/engine_fixture.h"

namespace perennial {
namespace {

class CacheCallsTest : public EngineFixture {
 protected:
  // A turn that samples, with a penalty: its reply depends on all of the stream's state.
  std::string Ask(const std::string& session, const std::string& text) {
    TurnSpec turn = Turn(session, text, 12);
    turn.sampling.temperature = 1;
    turn.sampling.seed = 7;
    turn.sampling.repetition_penalty = 1.5f;
    RecordingTurnSink sink;
    EXPECT_TRUE(Run(std::move(turn), sink).status.ok());
    return sink.text();
  }

  FakeParkedStore& UseFakeStore() {
    auto store = std::make_unique<FakeParkedStore>(options_.parked_memory);
    FakeParkedStore& result = *store;
    parked_store_ = std::move(store);
    return result;
  }

  absl::Status TryTurn(const std::string& session) {
    RecordingTurnSink sink;
    return Run(Turn(session, "x", 5), sink).status;
  }

  void ExpectTwins(const std::string& a, const std::string& b) {
    for (int turn = 0; turn < 8; ++turn) {
      const std::string text = "twin " + std::to_string(turn);
      EXPECT_EQ(Ask(a, text), Ask(b, text)) << turn;
    }
    const SessionSummary one = *GetSession(a), other = *GetSession(b);
    EXPECT_EQ(one.turns, other.turns);
    EXPECT_EQ(one.last_turn, other.last_turn);
    EXPECT_EQ(one.memory.stream_tokens, other.memory.stream_tokens);
    EXPECT_EQ(one.memory.horizon_turn, other.memory.horizon_turn);
  }
};

TEST_F(CacheCallsTest, AForkIsACopyAndGoesItsOwnWay) {
  options_.copy_bytes_per_step = 5 * FakeModelRunner::kRowBytes;
  const std::string parent = CreateSession();
  for (int turn = 0; turn < 5; ++turn) Ask(parent, "before");
  clock_.Advance(absl::Minutes(5));
  const absl::StatusOr<SessionSummary> fork = ForkSession(parent, Labels{{"a", "b"}});
  ASSERT_TRUE(fork.ok()) << fork.status();
  EXPECT_NE(fork->id, parent);
  EXPECT_EQ(fork->created, clock_.Now());
  EXPECT_EQ(fork->route, "route");
  EXPECT_EQ(fork->labels, (Labels{{"a", "b"}}));
  EXPECT_EQ(fork->turns, 5);
  EXPECT_EQ(fork->last_turn, 5);
  EXPECT_FALSE(fork->parked);
  ExpectTwins(parent, fork->id);
  Ask(parent, "something else");
  EXPECT_NE(Ask(parent, "same"), Ask(fork->id, "same"));
  EXPECT_TRUE(DeleteSession(parent).ok());
  Ask(fork->id, "alone");
  EXPECT_EQ(engine().Stats().sessions_forked, 1);
}

TEST_F(CacheCallsTest, ForksFromAndToWhereverThereIsRoom) {
  SetRoom(1, 6);
  const std::string parent = CreateSession();
  for (int turn = 0; turn < 6; ++turn) Ask(parent, "before");
  const std::string born_parked = ForkSession(parent)->id;
  EXPECT_TRUE(GetSession(born_parked)->parked);
  EXPECT_FALSE(GetSession(parent)->parked);
  Ask(CreateSession(), "parks the parent");
  EXPECT_TRUE(GetSession(parent)->parked);
  const std::string from_parked = ForkSession(parent)->id;
  ExpectTwins(from_parked, born_parked);
}

TEST_F(CacheCallsTest, AForkParksOthersWhereNothingElseHelps) {
  shape_ = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 12};
  SetRoom(2, 1);  // 2 + 1 - 1 sessions
  const std::string parent = CreateSession();
  for (int turn = 0; turn < 6; ++turn) Ask(parent, "before");
  const absl::StatusOr<SessionSummary> fork = ForkSession(parent);
  ASSERT_TRUE(fork.ok()) << fork.status();
  ExpectTwins(parent, fork->id);
  EXPECT_EQ(ReasonOf(ForkSession(parent).status()), ErrorReason::kNoFreeCache);
  EXPECT_EQ(engine().Stats().sessions, 2);
}

TEST_F(CacheCallsTest, ANewSessionForksAtOnce) {
  const std::string parent = CreateSession();
  const absl::StatusOr<SessionSummary> fork = ForkSession(parent);
  ASSERT_TRUE(fork.ok());
  ExpectTwins(parent, fork->id);
}

TEST_F(CacheCallsTest, TurnsOfTheParentWaitForTheCopy) {
  options_.copy_bytes_per_step = FakeModelRunner::kRowBytes;
  const std::string parent = CreateSession();
  for (int turn = 0; turn < 5; ++turn) Ask(parent, "before");
  std::optional<std::string> fork;
  engine().ForkSession({.session_id = parent, .labels = {}, .request = {}},
                       [&](absl::StatusOr<SessionSummary> session) { fork = session->id; });
  RecordingTurnSink sink;
  engine().Submit(Turn(parent, "after", 5), &sink);
  for (int i = 0; i < 5; ++i) RunOnce();
  EXPECT_FALSE(fork.has_value());
  EXPECT_EQ(ReasonOf(RewindSession(parent, 0).status()), ErrorReason::kTurnInProgress);
  EXPECT_TRUE(sink.EventsOf<TurnStarted>().empty());
  RunUntilIdle();
  ASSERT_TRUE(fork.has_value());
  EXPECT_TRUE(sink.result().status.ok());
  EXPECT_EQ(GetSession(*fork)->turns, 5);
  EXPECT_EQ(Say(*fork, "after", 5), sink.text());
}

TEST_F(CacheCallsTest, ARetryGetsTheSameFork) {
  options_.copy_bytes_per_step = FakeModelRunner::kRowBytes;
  const std::string parent = CreateSession();
  Ask(parent, "before");
  std::vector<std::string> forks;
  const ForkSpec spec = {.session_id = parent, .labels = {}, .request = {.id = "retry", .fingerprint = 1}};
  const auto fork = [&](ForkSpec fork_spec) {
    engine().ForkSession(std::move(fork_spec), [&](absl::StatusOr<SessionSummary> session) {
      forks.push_back(session.ok() ? session->id : std::string(ErrorReasonName(*ReasonOf(session.status()))));
    });
  };
  fork(spec);
  for (int i = 0; i < 3; ++i) RunOnce();
  fork(spec);  // while it is being copied
  RunUntilIdle();
  fork(spec);  // when it is there
  RunUntilIdle();
  ASSERT_EQ(forks.size(), 3u);
  EXPECT_EQ(forks[0], forks[1]);
  EXPECT_EQ(forks[0], forks[2]);
  ForkSpec other = spec;
  other.request.fingerprint = 2;
  fork(other);
  RunUntilIdle();
  EXPECT_EQ(forks.back(), "REQUEST_ID_REUSED");
  EXPECT_EQ(engine().Stats().sessions, 2);
}

TEST_F(CacheCallsTest, AForkEndsWithItsParent) {
  options_.copy_bytes_per_step = FakeModelRunner::kRowBytes;
  const std::string parent = CreateSession();
  Ask(parent, "before");
  absl::Status status;
  engine().ForkSession({.session_id = parent, .labels = {}, .request = {}},
                       [&](absl::StatusOr<SessionSummary> session) { status = session.status(); });
  for (int i = 0; i < 5; ++i) RunOnce();
  EXPECT_EQ(engine().Stats().sessions, 2);
  EXPECT_TRUE(DeleteSession(parent).ok());
  EXPECT_EQ(ReasonOf(status), ErrorReason::kSessionNotFound) << status;
  EXPECT_EQ(engine().Stats().sessions, 0);
  EXPECT_EQ(runner().counters().live_caches, 0);
}

TEST_F(CacheCallsTest, AForkThatIsNotMadeIsToldAtTheEnd) {
  options_.copy_bytes_per_step = FakeModelRunner::kRowBytes;
  const std::string parent = CreateSession();
  Ask(parent, "before");
  absl::Status status;
  engine().ForkSession({.session_id = parent, .labels = {}, .request = {}},
                       [&](absl::StatusOr<SessionSummary> session) { status = session.status(); });
  for (int i = 0; i < 5; ++i) RunOnce();
  engine().Stop();
  EXPECT_EQ(ReasonOf(status), ErrorReason::kShuttingDown);
}

TEST_F(CacheCallsTest, NotesOfAParkedSessionAreThereAtItsNextTurn) {
  shape_.note_tokens = 8;
  SetRoom(1, 3);
  const std::string parked = CreateSession(), twin = CreateSession();
  for (const std::string& session : {parked, twin}) {
    Ask(session, "before");
    ASSERT_TRUE(SetNotes(session, {.text = "old", .tokens = TokensOf("old")}).ok());
    RunUntilIdle();
  }
  ASSERT_TRUE(GetSession(parked)->parked);
  for (const std::string& session : {parked, twin}) {
    const absl::StatusOr<SessionNotes> notes = SetNotes(session, {.text = "a note", .tokens = TokensOf("a note")});
    ASSERT_TRUE(notes.ok()) << notes.status();
    EXPECT_EQ(notes->text, "a note");
  }
  EXPECT_TRUE(GetSession(parked)->parked) << "it is not brought back for that";
  ExpectTwins(parked, twin);
}

TEST_F(CacheCallsTest, AForkKeepsTheNotesThatItWasMadeWith) {
  shape_.note_tokens = 8;
  options_.copy_bytes_per_step = FakeModelRunner::kRowBytes;
  const std::string parent = CreateSession();
  for (int turn = 0; turn < 4; ++turn) Ask(parent, "before");
  ASSERT_TRUE(SetNotes(parent, {.text = "old", .tokens = TokensOf("old")}).ok());
  RunUntilIdle();
  const std::string twin = ForkSession(parent)->id;
  std::optional<std::string> fork;
  engine().ForkSession({.session_id = parent, .labels = {}, .request = {}},
                       [&](absl::StatusOr<SessionSummary> session) { fork = session->id; });
  RunOnce();
  EXPECT_TRUE(SetNotes(parent, {.text = "new", .tokens = TokensOf("new")}).ok());
  EXPECT_FALSE(fork.has_value()) << "the notes changed while it was copied";
  RunUntilIdle();
  EXPECT_EQ(GetSession(*fork)->notes.text, "old");
  ExpectTwins(*fork, twin);
  EXPECT_NE(Ask(parent, "and"), Ask(twin, "and"));
}

TEST_F(CacheCallsTest, AForkHasItsParentsBudgetAndWhatWasUsedOfIt) {
  SessionSpec spec = Spec();
  spec.budget = {.generated_tokens = 100, .time = absl::Hours(1)};
  const std::string session = TryCreateSession(spec)->id;
  Say(session, "hello", 3);
  const SessionSummary parent = *GetSession(session);
  EXPECT_EQ(parent.used.generated_tokens, 3);
  const absl::StatusOr<SessionSummary> fork = ForkSession(session);
  ASSERT_TRUE(fork.ok()) << fork.status();
  EXPECT_EQ(fork->budget, parent.budget);
  EXPECT_EQ(fork->used, parent.used);
}

TEST_F(CacheCallsTest, RefusesForks) {
  const std::string session = CreateSession();
  EXPECT_EQ(ReasonOf(ForkSession("none").status()), ErrorReason::kSessionNotFound);
  EXPECT_EQ(ReasonOf(ForkSession(session, Labels{{"", "no key"}}).status()), ErrorReason::kInvalidField);
  RecordingTurnSink sink;
  engine().Submit(Turn(session, "b", 1000), &sink);
  RunOnce();
  EXPECT_EQ(ReasonOf(ForkSession(session).status()), ErrorReason::kTurnInProgress);
  engine().Stop();  // before its sinks go
}

// A cache that cannot be copied costs one turn, and nothing else.
TEST_F(CacheCallsTest, AFailedCopyFailsOneTurn) {
  SetRoom(1, 3);
  absl::Status export_status, import_status;
  fake_.before_export = [&] { return export_status; };
  fake_.before_import = [&] { return import_status; };
  FakeParkedStore& store = UseFakeStore();
  const std::string a = CreateSession(), b = CreateSession(), twin = CreateSession();
  Ask(a, "one");
  for (absl::Status* failing : {&export_status, &store.write_status, &store.create_status}) {
    *failing = absl::InternalError("broken");
    const absl::Status status = TryTurn(b);
    EXPECT_EQ(ReasonOf(status), ErrorReason::kStoreUnavailable) << status;
    EXPECT_EQ(RetryAfterOf(status), options_.retry_after);
    EXPECT_FALSE(GetSession(a)->parked);
    *failing = absl::OkStatus();
  }
  EXPECT_TRUE(TryTurn(b).ok());
  ASSERT_TRUE(GetSession(a)->parked);
  for (absl::Status* failing : {&import_status, &store.read_status}) {
    *failing = absl::InternalError("broken");
    EXPECT_EQ(ReasonOf(TryTurn(a)), ErrorReason::kStoreUnavailable);
    EXPECT_TRUE(GetSession(a)->parked);
    *failing = absl::OkStatus();
  }
  Ask(twin, "one");
  EXPECT_EQ(Ask(a, "two"), Ask(twin, "two"));
  EXPECT_GE(failures_.size(), 5u) << "the log says why";
  EXPECT_EQ(engine().Stats().sessions_failed, 0);
}

TEST_F(CacheCallsTest, AFailedForkLeavesItsParent) {
  absl::Status export_status = absl::InternalError("broken");
  fake_.before_export = [&] { return export_status; };
  const std::string parent = CreateSession(), twin = CreateSession();
  for (const std::string& session : {parent, twin}) Ask(session, "one");
  EXPECT_EQ(ReasonOf(ForkSession(parent).status()), ErrorReason::kStoreUnavailable);
  EXPECT_EQ(engine().Stats().sessions, 2);
  EXPECT_EQ(runner().counters().live_caches, 2);
  ExpectTwins(parent, twin);
  export_status = absl::OkStatus();
  EXPECT_TRUE(ForkSession(parent).ok());
}

TEST_F(CacheCallsTest, ASlowStoreIsAskedAgain) {
  SetRoom(1, 3);
  FakeParkedStore& store = UseFakeStore();
  const std::string a = CreateSession(), b = CreateSession();
  Ask(a, "one");
  store.write_status = absl::UnavailableError("busy");
  RecordingTurnSink sink;
  engine().Submit(Turn(b, "x", 5), &sink);
  RunUntilIdle();
  EXPECT_FALSE(sink.finished());
  store.write_status = absl::OkStatus();
  RunUntilIdle();
  EXPECT_TRUE(sink.result().status.ok());
}

}  // namespace
}  // namespace perennial
