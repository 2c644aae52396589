// Notes through the engine: what a session says with notes that were written before, between and during its turns is
// what the oracle says with the same notes at the same points of the stream.

#include <algorithm>
#include <functional>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/server/engine/stream_oracle.h"

namespace perennial {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class NotesTest : public EngineFixture {
 protected:
  // Notes that reached a cache: after how many tokens of its stream.
  struct Written {
    int64_t at;
    std::vector<TokenId> tokens;
    size_t batch;  // inputs of the step
  };

  NotesTest() {
    shape_.note_tokens = 16;
    fake_.before_step = [this](absl::Span<const StepInput> batch) {
      for (const StepInput& input : batch) {
        if (input.part != Part::kNotes) continue;
        written_.push_back(
            {input.cache->num_tokens(), std::vector<TokenId>(input.tokens.begin(), input.tokens.end()), batch.size()});
      }
    };
  }

  StreamOracle Oracle(std::vector<TokenId> opening = {kBos}) const {
    return StreamOracle(fake_.script, Spec(std::move(opening)), end_tokens_, reply_end_);
  }
  // Tells `oracle` of all that was written since it was last told.
  void Tell(StreamOracle& oracle) {
    for (const Written& notes : std::exchange(written_, {})) oracle.WriteNotes(notes.at, notes.tokens);
  }
  // Whether notes are answered that come in one pass with a call which takes the sinks back.
  bool TakesThemBack(const std::string& session, const std::function<void()>& call) {
    bool answered = false;
    engine().SetNotes(session, Notes("new"), [&](const absl::StatusOr<SessionNotes>& notes) { answered = notes.ok(); });
    call();
    RunUntilIdle();
    return answered;
  }
  static NotesSpec Notes(absl::string_view text) { return {.text = std::string(text), .tokens = TokensOf(text)}; }

  std::vector<Written> written_;
};

TEST_F(NotesTest, WrittenBeforeBetweenAndDuringTurnsAreReadFromThenOn) {
  options_.prefill_chunk_tokens = 7;
  const std::string session = CreateSession({kBos, 's', 'y', 's', 't', 'e', 'm'});
  StreamOracle oracle = Oracle({kBos, 's', 'y', 's', 't', 'e', 'm'});
  EXPECT_TRUE(SetNotes(session, Notes("before")).ok());
  const auto run = [&](const TurnSpec& spec, const std::vector<int>& note_after_passes) {
    RecordingTurnSink sink;
    engine().Submit(spec, &sink);
    for (int pass = 0; !sink.finished(); ++pass) {
      if (std::count(note_after_passes.begin(), note_after_passes.end(), pass) > 0) {
        EXPECT_TRUE(SetNotes(session, Notes("during " + std::to_string(pass))).ok());
      } else {
        RunOnce();
      }
    }
    Tell(oracle);
    EXPECT_EQ(sink.text(), oracle.Say(spec).text);
    EXPECT_EQ(sink.result().memory.stream_tokens, oracle.stream_tokens());
  };
  run(Turn(session, "first", 30), {});
  EXPECT_TRUE(SetNotes(session, Notes("between")).ok());
  EXPECT_THAT(written_, SizeIs(1));
  run(Turn(session, "second", 30), {});
  run(Turn(session, std::string(40, 't'), 30), {0, 3, 20, 21});
  EXPECT_TRUE(SetNotes(session, NotesSpec{}).ok());  // none
  run(Turn(session, std::string(100, 'f'), 90), {});
}

TEST_F(NotesTest, OfAFreshSessionAreWrittenBetweenSinksAndWindow) {
  for (const int32_t chunk : {1, 3, 128}) {
    options_.prefill_chunk_tokens = chunk;
    for (const std::vector<TokenId>& opening :
         {std::vector<TokenId>{kBos}, {kBos, 'a', 'b', 'c'}, {kBos, 'a', 'b', 'c', 'd', 'e'}}) {
      const std::string session = CreateSession(opening);
      StreamOracle oracle = Oracle(opening);
      EXPECT_TRUE(SetNotes(session, Notes("old")).ok());
      EXPECT_TRUE(SetNotes(session, Notes("notes")).ok());
      EXPECT_THAT(written_, IsEmpty()) << "the sinks are not there yet";
      EXPECT_EQ(GetSession(session)->memory.note_tokens, 5);
      const TurnSpec spec = Turn(session, "hello", 20);
      RecordingTurnSink sink;
      Run(spec, sink);
      ASSERT_THAT(written_, SizeIs(1)) << "only what it was in the end";
      EXPECT_EQ(written_[0].at, shape_.sink_tokens);
      EXPECT_EQ(written_[0].tokens, TokensOf("notes"));
      Tell(oracle);
      EXPECT_EQ(sink.text(), oracle.Say(spec).text);
    }
    DestroyEngine();
  }
}

TEST_F(NotesTest, StayWhenATurnIsUndone) {
  options_.prefill_chunk_tokens = 5;
  const std::string session = CreateSession();
  StreamOracle oracle = Oracle();
  for (const int passes : {1, 2, 8, 30}) {
    // The first one is the session's first turn: its tokens are among the sinks that the notes have seen.
    EXPECT_TRUE(SetNotes(session, Notes("note " + std::to_string(passes))).ok());
    const TurnSpec undone = Turn(session, std::string(200, 'u'));
    RecordingTurnSink sink;
    const std::shared_ptr<TurnTicket> ticket = engine().Submit(undone, &sink);
    for (int pass = 0; pass < passes; ++pass) RunOnce();
    ticket->Leave();
    RunUntilIdle();
    Tell(oracle);
    oracle.Undo(undone, sink.result().usage.fed_tokens);
    RecordingTurnSink again;
    const TurnSpec next = Turn(session, "next", 30);
    Run(next, again);
    Tell(oracle);
    EXPECT_EQ(again.text(), oracle.Say(next).text) << passes;
    EXPECT_EQ(again.result().memory.note_tokens, 5 + (passes == 30 ? 2 : 1));
  }
}

TEST_F(NotesTest, AreAnsweredWhereTheSinksAreTakenBackMeanwhile) {
  options_.prefill_chunk_tokens = 2;
  const std::string session = CreateSession();
  RecordingTurnSink sink;
  engine().Submit(Turn(session, "message", 30), &sink);
  while (runner().counters().stream_tokens < 4) RunOnce();
  EXPECT_TRUE(TakesThemBack(session, [&] {
    engine().CancelTurn({.session_id = session, .turn = 0, .request_id = {}},
                        [](const absl::StatusOr<int32_t>& count) { EXPECT_EQ(*count, 1); });
  }));
  EXPECT_EQ(sink.result().reason, FinishReason::kCancelled);
  Say(session, "message", 3);
  EXPECT_THAT(std::exchange(written_, {}), SizeIs(1));
  EXPECT_TRUE(TakesThemBack(session, [&] {
    engine().RewindSession({.session_id = session, .to_turn = 0, .expected_turn = {}, .request = {}},
                           [](absl::StatusOr<SessionSummary> summary) { EXPECT_TRUE(summary.ok()); });
  }));
  EXPECT_THAT(written_, IsEmpty());
  Say(session, "message", 3);
  EXPECT_THAT(written_, SizeIs(1));
}

TEST_F(NotesTest, WaitForTheNextStepAndTakeTheirSessionsShareOfIt) {
  fake_.script = [](const FakeSight&) { return TokenId{'x'}; };
  const std::string noted = CreateSession();
  const std::string other = CreateSession();
  RecordingTurnSink noted_sink, other_sink;
  engine().Submit(Turn(noted, "hello", 50), &noted_sink);
  engine().Submit(Turn(other, "hello", 50), &other_sink);
  RunOnce();
  RunOnce();
  EXPECT_TRUE(SetNotes(noted, Notes("n")).ok());
  ASSERT_THAT(written_, SizeIs(1));
  EXPECT_EQ(written_[0].batch, 2u) << "the other turn's token beside them";
  EXPECT_EQ(other_sink.text(), "xxx");
  EXPECT_EQ(noted_sink.text(), "xx");
  RunUntilIdle();
  EXPECT_EQ(engine().Stats().note_tokens, 1);
  EXPECT_EQ(engine().Stats().note_tokens, runner().counters().note_tokens);
}

TEST_F(NotesTest, ManyAtOnceKeepTheLimitOfAStepAndDoNotStarveTurns) {
  options_.max_step_tokens = 16;
  fake_.script = [](const FakeSight&) { return TokenId{'x'}; };
  std::vector<std::string> sessions;
  for (int i = 0; i < 6; ++i) {
    sessions.push_back(CreateSession());
    Say(sessions.back(), "hello", 3);
  }
  const std::string talking = CreateSession();
  RecordingTurnSink sink;
  engine().Submit(Turn(talking, "hello", 1000), &sink);
  RunOnce();
  int answered = 0;
  for (int round = 0; round < 10; ++round) {
    for (const std::string& session : sessions) {
      engine().SetNotes(session, Notes("twelve chars"), [&](absl::StatusOr<SessionNotes> notes) {
        EXPECT_TRUE(notes.ok());
        ++answered;
      });
    }
    for (int pass = 0; pass < 12; ++pass) RunOnce();
  }
  EXPECT_EQ(answered, 60);
  EXPECT_GE(sink.text().size(), 60u) << "at least every second step is the turn's";
  EXPECT_LE(runner().counters().largest_step_tokens, 16);
  engine().Stop();
}

TEST_F(NotesTest, MoreThanTheBudgetIsRefused) {
  const std::string session = CreateSession();
  absl::StatusOr<SessionNotes> notes = SetNotes(session, Notes("seventeen letters"));
  EXPECT_EQ(ReasonOf(notes.status()), ErrorReason::kInvalidField);
  EXPECT_THAT(std::string(notes.status().message()), HasSubstr("17 tokens"));
  shape_.note_tokens = 0;
  const std::string without = CreateSession();
  EXPECT_EQ(ReasonOf(SetNotes(without, Notes("n")).status()), ErrorReason::kInvalidField);
  EXPECT_EQ(ReasonOf(SetNotes("nobody", Notes("n")).status()), ErrorReason::kSessionNotFound);
  shape_.note_tokens = options_.max_note_tokens + 1;
  EXPECT_EQ(ReasonOf(TryCreateSession(Spec()).status()), ErrorReason::kInvalidField);
  EXPECT_EQ(SetNotes(session, {.text = "x", .tokens = {9999}}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(NotesTest, ATurnInTheWindowCanBePinned) {
  fake_.script = RepliesOfLength(kStart, 3, {'x'}, kEndToken);
  const std::string session = CreateSession();
  for (const char* text : {"a", "bb", "cc"}) Say(session, text);
  absl::StatusOr<SessionNotes> notes = SetNotes(session, Notes("N"));
  notes = PinTurn(session, 3);  // the newest: its end has not been fed
  ASSERT_TRUE(notes.ok()) << notes.status();
  notes = PinTurn(session, 1);
  ASSERT_TRUE(notes.ok()) << notes.status();
  EXPECT_EQ(notes->text, "N");
  EXPECT_THAT(notes->pinned_turns, ElementsAre(1, 3));
  EXPECT_EQ(notes->tokens, 1 + 7 + 8);
  EXPECT_EQ(notes->budget_tokens, 16);
  EXPECT_THAT(written_.back().tokens, ElementsAre('N', 'a', kStart, 'x', 'x', 'x', kTurnEnd, kNewline, 'c', 'c', kStart,
                                                  'x', 'x', 'x', kTurnEnd, kNewline));
  EXPECT_EQ(ReasonOf(PinTurn(session, 2).status()), ErrorReason::kInvalidField) << "over the budget";
  EXPECT_EQ(GetSession(session)->notes.pinned_turns, notes->pinned_turns);
  NotesSpec other = Notes("M");
  other.keep_pinned_turns = true;
  EXPECT_THAT(SetNotes(session, other)->pinned_turns, ElementsAre(1, 3));
  EXPECT_THAT(SetNotes(session, Notes("M"))->pinned_turns, IsEmpty());
  for (const int64_t turn : {0, 4}) EXPECT_EQ(ReasonOf(PinTurn(session, turn).status()), ErrorReason::kInvalidField);
}

TEST_F(NotesTest, WhatHasLeftTheWindowOrStillRunsCannotBePinned) {
  fake_.script = RepliesOfLength(kStart, 3, {'x'}, kEndToken);
  options_.prefill_chunk_tokens = 8;
  const std::string session = CreateSession();
  for (int turn = 1; turn <= 12; ++turn) Say(session, "a");
  const int64_t horizon_turn = GetSession(session)->memory.horizon_turn;
  EXPECT_GT(horizon_turn, 2);
  absl::Status status = PinTurn(session, horizon_turn - 1).status();
  EXPECT_EQ(ReasonOf(status), ErrorReason::kBeyondHorizon) << status;
  EXPECT_EQ(ReasonOf(PinTurn(session, 1).status()), ErrorReason::kBeyondHorizon);
  EXPECT_TRUE(PinTurn(session, 12).ok());
  EXPECT_TRUE(SetNotes(session, Notes("")).ok());

  RecordingTurnSink sink;
  engine().Submit(Turn(session, std::string(20, 'p')), &sink);
  while (!sink.finished()) {
    RunOnce();
    if (sink.finished()) break;
    EXPECT_EQ(ReasonOf(PinTurn(session, 13).status()), ErrorReason::kTurnInProgress);
    // While the next turn's prompt is fed and while it replies.
    EXPECT_EQ(PinTurn(session, 12)->tokens, 7);
    EXPECT_TRUE(SetNotes(session, Notes("")).ok());
  }
  EXPECT_EQ(ReasonOf(PinTurn(session, 13).status()), ErrorReason::kInvalidField) << "26 tokens";
}

TEST_F(NotesTest, AFailedStepLosesTheSessionAndSaysSo) {
  const std::string idle = CreateSession();
  const std::string running = CreateSession();
  Say(idle, "hello", 3);
  RecordingTurnSink sink;
  engine().Submit(Turn(running, "hello", 1000), &sink);
  RunOnce();
  std::list<absl::StatusOr<SessionNotes>> answers;
  for (const std::string& session : {idle, running}) {
    engine().SetNotes(session, Notes("n"),
                      [&answers](absl::StatusOr<SessionNotes> notes) { answers.push_back(std::move(notes)); });
  }
  runner().FailStep(1, absl::InternalError("device lost"));
  RunUntilIdle();
  ASSERT_THAT(answers, SizeIs(2));
  for (const auto& answer : answers) EXPECT_EQ(ReasonOf(answer.status()), ErrorReason::kModelFailure);
  EXPECT_EQ(ReasonOf(sink.result().status), ErrorReason::kModelFailure);
  EXPECT_EQ(engine().Stats().sessions, 0);
  EXPECT_EQ(engine().Stats().sessions_failed, 2);
  EXPECT_EQ(runner().counters().live_caches, 0);
}

TEST_F(NotesTest, AStoppedOrDeletedSessionAnswersWhoWaits) {
  const std::string deleted = CreateSession();
  const std::string stopped = CreateSession();
  Say(deleted, "hello", 3);
  Say(stopped, "hello", 3);
  std::vector<absl::Status> answers;
  const auto keep = [&answers](absl::StatusOr<SessionNotes> notes) { answers.push_back(notes.status()); };
  engine().SetNotes(deleted, Notes("n"), keep);
  engine().DeleteSession(deleted, [](absl::StatusOr<SessionSummary>) {});
  RunOnce();
  engine().SetNotes(stopped, Notes("n"), keep);
  engine().Stop();
  ASSERT_THAT(answers, SizeIs(2));
  EXPECT_EQ(ReasonOf(answers[0]), ErrorReason::kSessionNotFound);
  EXPECT_EQ(ReasonOf(answers[1]), ErrorReason::kShuttingDown);
}

}  // namespace
}  // namespace perennial
