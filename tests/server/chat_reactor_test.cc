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
#include "tests/server/turn_events.h"

namespace perennial {
namespace {

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
