// Rewinds and transcripts.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/error.h"
#include "server/engine/recent_tokens.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/server/engine/stream_oracle.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

class StreamCallsTest : public EngineFixture {
 protected:
  absl::StatusOr<std::vector<TranscriptTurn>> Transcript(const std::string& id) {
    absl::StatusOr<std::vector<TranscriptTurn>> transcript = absl::UnknownError("not called");
    engine().GetTranscript(id,
                           [&](absl::StatusOr<std::vector<TranscriptTurn>> turns) { transcript = std::move(turns); });
    RunOnce();
    return transcript;
  }

  // A turn whose penalty looks far back: it sees a recent token that should have gone.
  TurnSpec Penalized(const std::string& session, absl::string_view text) const {
    TurnSpec turn = Turn(session, text, 12);
    turn.sampling.repetition_penalty = 1.5f;
    turn.sampling.repetition_window = RecentTokens::kMaxTokens;
    return turn;
  }
  std::string Run(TurnSpec turn) {
    RecordingTurnSink sink;
    EXPECT_TRUE(EngineFixture::Run(std::move(turn), sink).status.ok());
    return sink.text();
  }
};

TEST_F(StreamCallsTest, ARewoundSessionIsOneThatNeverWentOn) {
  shape_.window_tokens = 500;
  for (int64_t to_turn = 0; to_turn <= 3; ++to_turn) {
    const std::string session = CreateSession();
    const std::string twin = CreateSession();
    for (int64_t turn = 1; turn <= 3; ++turn) {
      const std::string text = "turn " + std::to_string(turn);
      Run(Penalized(session, text));
      if (turn <= to_turn) Run(Penalized(twin, text));
    }
    const absl::StatusOr<SessionSummary> rewound = RewindSession(session, to_turn);
    ASSERT_TRUE(rewound.ok()) << rewound.status();
    EXPECT_EQ(rewound->turns, to_turn);
    EXPECT_EQ(rewound->last_turn, 3);
    EXPECT_EQ(rewound->memory.forgotten_tokens, 0);
    EXPECT_EQ(Run(Penalized(session, "again")), Run(Penalized(twin, "again"))) << to_turn;
    EXPECT_EQ(GetSession(session)->memory.stream_tokens, GetSession(twin)->memory.stream_tokens);
    EXPECT_EQ(GetSession(session)->turns, to_turn + 1);
    EXPECT_EQ(GetSession(session)->last_turn, 4) << "numbers are never used twice";
  }
  EXPECT_EQ(engine().Stats().sessions_rewound, 4);
}

TEST_F(StreamCallsTest, WhatWasPushedOutDoesNotComeBack) {
  shape_.window_tokens = 45;
  const std::string session = CreateSession();
  StreamOracle oracle(FakeScript(), Spec(), end_tokens_, reply_end_);
  for (const char* text : {"first", "second", "third", "fourth"}) {
    const TurnSpec turn = Turn(session, text, 8);
    EXPECT_EQ(Run(turn), oracle.Say(turn).text);
  }
  const SessionMemory before = GetSession(session)->memory;
  ASSERT_GT(before.forgotten_tokens, 0);
  const absl::StatusOr<SessionSummary> rewound = RewindSession(session, 3);
  ASSERT_TRUE(rewound.ok()) << rewound.status();
  oracle.Rewind(3);
  EXPECT_EQ(rewound->memory.stream_tokens, oracle.stream_tokens());
  EXPECT_EQ(rewound->memory.horizon_token, before.horizon_token);
  EXPECT_LT(rewound->memory.visible_tokens, before.visible_tokens);
  for (const char* text : {"fifth", "sixth", "seventh"}) {
    const TurnSpec turn = Turn(session, text, 8);
    EXPECT_EQ(Run(turn), oracle.Say(turn).text);
    EXPECT_EQ(GetSession(session)->memory.stream_tokens, oracle.stream_tokens());
  }
}

TEST_F(StreamCallsTest, NamesTheOldestTurnThatIsLeft) {
  const std::string session = CreateSession(std::vector<TokenId>(6, kBos));  // longer than the sinks
  for (int turn = 1; turn <= 10; ++turn) Say(session, "some text", 5);
  const absl::Status status = RewindSession(session, 2).status();
  EXPECT_EQ(ReasonOf(status), ErrorReason::kBeyondHorizon);
  EXPECT_EQ(ReasonOf(RewindSession(session, 0).status()), ErrorReason::kBeyondHorizon);
  int64_t oldest = 10;
  while (RewindSession(session, oldest - 1).ok()) --oldest;
  EXPECT_LT(oldest, 10);
  EXPECT_GT(oldest, 3);
  EXPECT_THAT(std::string(status.message()), HasSubstr("last one is " + std::to_string(oldest)));
}

TEST_F(StreamCallsTest, ThePinnedOpeningCanAlwaysBeGoneBackTo) {
  const std::string session = CreateSession();
  const std::string twin = CreateSession();
  for (int turn = 1; turn <= 10; ++turn) Say(session, "some text", 5);
  const absl::StatusOr<SessionSummary> rewound = RewindSession(session, 0);
  ASSERT_TRUE(rewound.ok()) << rewound.status();
  EXPECT_EQ(rewound->turns, 0);
  EXPECT_EQ(rewound->memory.visible_tokens, 1);
  EXPECT_EQ(rewound->memory.horizon_token, 4);
  for (int turn = 1; turn <= 10; ++turn) EXPECT_EQ(Say(session, "other", 9), Say(twin, "other", 9));
}

TEST_F(StreamCallsTest, GapsInTheNumbersCountAsTheTurnBefore) {
  shape_.window_tokens = 500;
  const std::string session = CreateSession();
  for (int turn = 1; turn <= 3; ++turn) Say(session, "t", 5);
  ASSERT_TRUE(RewindSession(session, 1).ok());
  Say(session, "four", 5);
  Say(session, "five", 5);
  EXPECT_EQ(RewindSession(session, 5)->turns, 3) << "nothing changes";
  EXPECT_EQ(RewindSession(session, 3)->turns, 1) << "turn 3 is gone: turn 1 is the last before it";
  EXPECT_EQ(RewindSession(session, 0)->turns, 0);
}

TEST_F(StreamCallsTest, RefusesRewinds) {
  const std::string session = CreateSession();
  Say(session, "a", 5);
  EXPECT_EQ(ReasonOf(RewindSession("none", 0).status()), ErrorReason::kSessionNotFound);
  EXPECT_EQ(ReasonOf(RewindSession(session, -1).status()), ErrorReason::kInvalidField);
  EXPECT_EQ(ReasonOf(RewindSession(session, 2).status()), ErrorReason::kInvalidField);
  EXPECT_EQ(ReasonOf(RewindSession(session, 1, 2).status()), ErrorReason::kStaleTurn);
  EXPECT_TRUE(RewindSession(session, 1, 1).ok());
  RecordingTurnSink sink;
  engine().Submit(Turn(session, "b", 1000), &sink);
  EXPECT_EQ(ReasonOf(RewindSession(session, 0).status()), std::nullopt)
      << "the calls of one pass come before its turns";
  EXPECT_EQ(ReasonOf(RewindSession(session, 0).status()), ErrorReason::kTurnInProgress);
  engine().Stop();  // before its sinks go
}

TEST_F(StreamCallsTest, ARetriedRewindChangesNothing) {
  shape_.window_tokens = 500;
  const std::string session = CreateSession();
  for (int turn = 1; turn <= 3; ++turn) Say(session, "t", 5);
  const RewindSpec spec = {
      .session_id = session, .to_turn = 1, .expected_turn = 3, .request = {.id = "retry", .fingerprint = 1}};
  std::vector<int64_t> turns;
  const auto rewind = [&] {
    engine().RewindSession(spec, [&](absl::StatusOr<SessionSummary> seen) { turns.push_back(seen->turns); });
    RunOnce();
  };
  rewind();
  Say(session, "t", 5);
  rewind();
  EXPECT_EQ(turns, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(engine().Stats().sessions_rewound, 1);
}

TEST_F(StreamCallsTest, KeepsTheTextOfTheLatestTurns) {
  options_.transcript_turns = 3;
  fake_.script = RepliesFrom({'x', 'y'}, kEndToken, 3);
  const std::string session = CreateSession();
  for (int turn = 1; turn <= 12; ++turn) {
    TurnSpec spec = Turn(session, "question");
    spec.messages = {{Role::kUser, "question " + std::to_string(turn)}};
    const std::string reply = Run(spec);
    EXPECT_EQ(Transcript(session)->back().messages.back().text, reply);
  }
  const absl::StatusOr<std::vector<TranscriptTurn>> turns = Transcript(session);
  ASSERT_EQ(turns->size(), 3u);
  EXPECT_EQ(turns->front().turn, 10);
  EXPECT_EQ(turns->front().messages.front(), (Message{Role::kUser, "question 10"}));
  const int64_t horizon_turn = GetSession(session)->memory.horizon_turn;
  for (const TranscriptTurn& turn : *turns) EXPECT_EQ(turn.forgotten, turn.turn <= horizon_turn) << turn.turn;
  ASSERT_TRUE(RewindSession(session, 11).ok());
  EXPECT_EQ(Transcript(session)->size(), 2u);
  EXPECT_EQ(ReasonOf(Transcript("none").status()), ErrorReason::kSessionNotFound);
}

TEST_F(StreamCallsTest, AnUndoneTurnIsNotInTheTranscript) {
  options_.transcript_turns = 3;
  const std::string session = CreateSession();
  RecordingTurnSink sink;
  TurnSpec spec = Turn(session, std::string(1000, 'a'));
  spec.messages = {{Role::kUser, "long"}};
  engine().Submit(std::move(spec), &sink)->Leave();
  RunUntilIdle();
  EXPECT_TRUE(Transcript(session)->empty());
}

TEST_F(StreamCallsTest, KeepsNoTranscriptByDefault) {
  EXPECT_EQ(ReasonOf(Transcript(CreateSession()).status()), ErrorReason::kNotSupported);
}

TEST_F(StreamCallsTest, AParkedSessionIsRewoundWhereItIs) {
  SetRoom(1, 2);
  shape_.window_tokens = 45;
  const std::string session = CreateSession();
  const std::string other = CreateSession();
  StreamOracle oracle(FakeScript(), Spec(), end_tokens_, reply_end_);
  for (const char* text : {"first", "second", "third", "fourth"}) {
    const TurnSpec turn = Turn(session, text, 8);
    EXPECT_EQ(Run(turn), oracle.Say(turn).text);
  }
  Say(other, "x");
  ASSERT_TRUE(GetSession(session)->parked);
  ASSERT_TRUE(RewindSession(session, 3).ok());
  oracle.Rewind(3);
  EXPECT_TRUE(GetSession(session)->parked);
  for (const char* text : {"fifth", "sixth", "seventh"}) {
    const TurnSpec turn = Turn(session, text, 8);
    EXPECT_EQ(Run(turn), oracle.Say(turn).text);
    Say(other, "x");
  }
}

}  // namespace
}  // namespace perennial
