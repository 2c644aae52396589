// What every call that streams a turn does, seen at Chat.

#include "server/turn_reactor.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "server/engine/error.h"
#include "tests/server/fake_engine.h"
#include "tests/server/served_engine.h"
#include "tests/server/turn_events.h"

namespace perennial {
namespace {

TEST(TurnReactorTest, StreamsEventsInOrderAndEndsWithFinishedAndOk) {
  FakeEngine engine;
  ServedEngine served(&engine);
  ChatStream chat(*served.stub, Say(kSessionId, "hi"));
  const FakeEngine::Submitted turn = engine.AwaitTurn();
  EXPECT_EQ(turn.spec.session_id, kSessionId);
  turn.sink->OnEvent(Started());
  turn.sink->OnEvent(Delta(2, "a"));
  turn.sink->OnEvent(Delta(3, "b"));
  turn.sink->OnFinish(Finished(4));
  ASSERT_TRUE(chat.End().ok());
  EXPECT_EQ(chat.text(), "ab");
  EXPECT_EQ(chat.events().front().event_case(), v1::TurnEvent::kStarted);
  const v1::TurnEvent& last = chat.events().back();
  ASSERT_TRUE(last.has_finished());
  EXPECT_EQ(last.sequence(), 4);
  EXPECT_EQ(last.session_id(), kSessionId);
  EXPECT_EQ(last.turn(), 7);
  EXPECT_EQ(chat.Trailer("x-perennial-generated-tokens"), "2");
}

TEST(TurnReactorTest, DeltasThatTheClientDoesNotReadAreMerged) {
  FakeEngine engine;
  ServedEngine served(&engine);
  ChatStream chat(*served.stub, Say(kSessionId, "hi"));
  const FakeEngine::Submitted turn = engine.AwaitTurn();
  // Far more than the connection's window of 64 KiB holds.
  std::string all;
  for (int64_t i = 1; i <= 40; ++i) {
    const std::string text(8192, static_cast<char>('a' + i % 26));
    all += text;
    turn.sink->OnEvent(Delta(i, text));
  }
  turn.sink->OnFinish(Finished(41));
  ASSERT_TRUE(chat.End().ok());
  EXPECT_EQ(chat.text(), all);
  EXPECT_LT(chat.events().size(), 20u);
  int64_t last_sequence = 0;
  for (const v1::TurnEvent& event : chat.events()) {
    EXPECT_EQ(event.first_sequence(), last_sequence + 1);
    last_sequence = event.sequence();
  }
  EXPECT_EQ(last_sequence, 41);
}

TEST(TurnReactorTest, AFullOutboxIsNotReadyUntilTheClientReads) {
  FakeEngine engine;
  ServerOptions options = SmallOptions();
  options.max_unread_bytes = 4096;
  ServedEngine served(&engine, options);
  ChatStream chat(*served.stub, Say(kSessionId, "hi"));
  const FakeEngine::Submitted turn = engine.AwaitTurn();
  EXPECT_TRUE(turn.sink->ReadyForMore());
  // One write that the window cannot take: it stays in flight.
  turn.sink->OnEvent(Delta(1, std::string(400 << 10, 'x')));
  EXPECT_FALSE(turn.sink->ReadyForMore());
  ASSERT_TRUE(chat.Next().has_value());
  engine.AwaitWakes(1);
  EXPECT_TRUE(turn.sink->ReadyForMore());
  turn.sink->OnFinish(Finished(2));
  EXPECT_TRUE(chat.End().ok());
}

TEST(TurnReactorTest, ACancelOnlyRaisesTheTicketAndWakesTheEngine) {
  FakeEngine engine;
  ServedEngine served(&engine);
  ChatStream chat(*served.stub, Say(kSessionId, "hi"));
  const FakeEngine::Submitted turn = engine.AwaitTurn();
  turn.sink->OnEvent(Started());
  ASSERT_TRUE(chat.Next().has_value());
  EXPECT_FALSE(turn.ticket->left());
  chat.Cancel();
  engine.AwaitWakes(1);
  EXPECT_TRUE(turn.ticket->left());
  // The sink still lives, and takes events that nobody will read, until the engine is done with it.
  turn.sink->OnEvent(Delta(2, "late"));
  EXPECT_TRUE(turn.sink->ReadyForMore());
  turn.sink->OnFinish(Failed(absl::CancelledError("cancelled")));
  EXPECT_EQ(chat.End().error_code(), grpc::StatusCode::CANCELLED);
}

TEST(TurnReactorTest, ASlowReaderLosesWhatItDidNotReadAndLearnsWhy) {
  FakeEngine engine;
  ServedEngine served(&engine);
  ChatStream chat(*served.stub, Say(kSessionId, "hi"));
  const FakeEngine::Submitted turn = engine.AwaitTurn();
  turn.sink->OnEvent(Delta(1, std::string(400 << 10, 'x')));  // in flight
  turn.sink->OnEvent(Delta(2, "never sent"));
  turn.sink->OnFinish(Failed(MakeError(ErrorReason::kSlowReader, "read too slowly")));
  const grpc::Status status = chat.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(ReasonOf(status), "SLOW_READER");
  EXPECT_EQ(chat.text().size(), size_t{400} << 10);
}

TEST(TurnReactorTest, EveryErrorOfTheEngineReachesTheClientWithItsReason) {
  const std::pair<ErrorReason, grpc::StatusCode> rows[] = {
      {ErrorReason::kSessionNotFound, grpc::StatusCode::NOT_FOUND},
      {ErrorReason::kTurnInProgress, grpc::StatusCode::FAILED_PRECONDITION},
      {ErrorReason::kNoFreeCache, grpc::StatusCode::RESOURCE_EXHAUSTED},
      {ErrorReason::kShuttingDown, grpc::StatusCode::UNAVAILABLE},
      {ErrorReason::kModelFailure, grpc::StatusCode::INTERNAL},
  };
  for (const auto& [reason, code] : rows) {
    FakeEngine engine;
    ServedEngine served(&engine);
    ChatStream chat(*served.stub, Say(kSessionId, "hi"));
    const FakeEngine::Submitted turn = engine.AwaitTurn();
    turn.sink->OnEvent(Delta(1, "so far"));
    turn.sink->OnFinish(Failed(MakeError(reason, "it is so")));
    const grpc::Status status = chat.End();
    EXPECT_EQ(chat.text(), "so far");
    EXPECT_EQ(status.error_code(), code);
    EXPECT_EQ(status.error_message(), "it is so");
    EXPECT_EQ(ReasonOf(status), ErrorReasonName(reason));
  }
}

}  // namespace
}  // namespace perennial
