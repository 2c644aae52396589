#include "server/chat_reactor.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/engine/error.h"
#include "tests/server/fake_engine.h"
#include "tests/server/served_engine.h"

namespace perennial {
namespace {

constexpr char kSessionId[] = "0123456789abcdef0123456789abcdef";

TurnEvent Started() {
  TurnStarted started;
  started.session_id = kSessionId;
  started.turn = 7;
  return {.sequence = 1, .event = started};
}

TurnEvent Delta(int64_t sequence, std::string text) {
  return {.sequence = sequence, .event = TurnDelta{.text = std::move(text), .tokens = 1}};
}

TurnResult Finished(int64_t sequence) {
  TurnResult result;
  result.sequence = sequence;
  result.session_id = kSessionId;
  result.turn = 7;
  result.usage.generated_tokens = 2;
  return result;
}

TurnResult Failed(absl::Status status) {
  TurnResult result;
  result.status = std::move(status);
  return result;
}

// Renders only when it is told to.
class GatedRenderer final : public BytePromptRenderer {
 public:
  absl::StatusOr<UserTurn> Turn(absl::string_view user_text) const override {
    if (!entered.HasBeenNotified()) entered.Notify();
    gate.WaitForNotification();
    return BytePromptRenderer::Turn(user_text);
  }

  mutable absl::Notification entered;
  absl::Notification gate;
};

TEST(ChatReactorTest, TheTenantComesFromTheMetadata) {
  FakeEngine engine;
  ServedEngine served(&engine);
  v1::ChatResponse response;
  grpc::ClientContext context;
  context.AddMetadata("x-tenant", "blue");
  const auto reader = served.stub->Chat(&context, Say(kSessionId, "hi"));
  const FakeEngine::Submitted turn = engine.AwaitTurn();
  EXPECT_EQ(turn.spec.tenant, "blue");
  turn.sink->OnFinish(Finished(1));
  while (reader->Read(&response)) continue;
  EXPECT_TRUE(reader->Finish().ok());

  grpc::ClientContext bad;
  bad.AddMetadata("x-tenant", "no name");
  const auto refused = served.stub->Chat(&bad, Say(kSessionId, "hi"));
  while (refused->Read(&response)) continue;
  EXPECT_EQ(refused->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(ChatReactorTest, StreamsEventsInOrderAndEndsWithFinishedAndOk) {
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

TEST(ChatReactorTest, DeltasThatTheClientDoesNotReadAreMerged) {
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

TEST(ChatReactorTest, AFullOutboxIsNotReadyUntilTheClientReads) {
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

TEST(ChatReactorTest, ACancelOnlyRaisesTheTicketAndWakesTheEngine) {
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

TEST(ChatReactorTest, ATurnMayEndBeforeSubmitReturns) {
  FakeEngine engine;
  engine.refusal = MakeError(ErrorReason::kQueueFull, "full", absl::Seconds(1));
  ServedEngine served(&engine);
  for (int i = 0; i < 20; ++i) {
    ChatStream chat(*served.stub, Say(kSessionId, "hi"));
    const grpc::Status status = chat.End();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
    EXPECT_EQ(RetryInfoOf(status)->retry_delay().seconds(), 1);
  }
}

TEST(ChatReactorTest, TheCallsDeadlineIsTheTurns) {
  FakeEngine engine;
  ServedEngine served(&engine);
  const absl::Time before = absl::Now();
  ChatStream chat(*served.stub, Say(kSessionId, "hi"), std::chrono::minutes(5));
  const FakeEngine::Submitted turn = engine.AwaitTurn();
  EXPECT_GT(turn.spec.deadline, before + absl::Minutes(4));
  EXPECT_LT(turn.spec.deadline, absl::Now() + absl::Minutes(6));
  turn.sink->OnFinish(Finished(1));
  EXPECT_TRUE(chat.End().ok());

  grpc::ClientContext context;  // without a deadline
  const auto reader = served.stub->Chat(&context, Say(kSessionId, "hi"));
  const FakeEngine::Submitted endless = engine.AwaitTurn();
  EXPECT_EQ(endless.spec.deadline, absl::InfiniteFuture());
  endless.sink->OnFinish(Finished(1));
  v1::ChatResponse response;
  EXPECT_TRUE(reader->Read(&response));
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST(ChatReactorTest, ASlowReaderLosesWhatItDidNotReadAndLearnsWhy) {
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

TEST(ChatReactorTest, EveryErrorOfTheEngineReachesTheClientWithItsReason) {
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

TEST(ChatReactorTest, ABadRequestNeverReachesTheEngine) {
  FakeEngine engine;
  ServedEngine served(&engine);
  ChatStream empty(*served.stub, Say(kSessionId, ""));
  EXPECT_EQ(BadRequestOf(empty.End())->field_violations(0).field(), "message");
  ChatStream unrenderable(*served.stub, Say(kSessionId, std::string(BytePromptRenderer::kUnrenderable)));
  EXPECT_EQ(BadRequestOf(unrenderable.End())->field_violations(0).field(), "message");
  EXPECT_EQ(engine.num_turns(), 0u);
}

TEST(ChatReactorTest, OneLongTextTooManyIsRefusedAndOneCancelledWhileItWaitsIsNeverSubmitted) {
  FakeEngine engine;
  GatedRenderer renderer;
  ServerOptions options = SmallOptions();
  options.inline_text_bytes = 0;
  options.max_waiting_texts = 1;
  ServedEngine served(&engine, options, &renderer);
  ChatStream rendering(*served.stub, Say(kSessionId, "hi"));
  renderer.entered.WaitForNotification();

  // Of two more, one waits for the text thread and one is refused: the one that ends first.
  ChatStream streams[] = {{*served.stub, Say(kSessionId, "hi")}, {*served.stub, Say(kSessionId, "hi")}};
  grpc::Status ends[2];
  absl::Mutex mutex;
  int first_to_end = -1;
  const auto read = [&](int i) {
    ends[i] = streams[i].End();
    absl::MutexLock lock(&mutex);
    if (first_to_end < 0) first_to_end = i;
  };
  std::thread readers[] = {std::thread(read, 0), std::thread(read, 1)};
  {
    absl::MutexLock lock(&mutex);
    const auto one_ended = [&first_to_end] { return first_to_end >= 0; };
    mutex.Await(absl::Condition(&one_ended));
  }
  streams[1 - first_to_end].Cancel();
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(ReasonOf(ends[first_to_end]), "QUEUE_FULL");
  EXPECT_EQ(ends[1 - first_to_end].error_code(), grpc::StatusCode::CANCELLED);
  engine.AwaitWakes(1);  // the server knows of the cancel

  renderer.gate.Notify();
  engine.AwaitTurn().sink->OnFinish(Finished(1));
  EXPECT_TRUE(rendering.End().ok());
  served.server->Drain(absl::ZeroDuration());  // waits for all calls
  EXPECT_EQ(engine.num_turns(), 1u);
}

}  // namespace
}  // namespace perennial
