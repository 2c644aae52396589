#include "server/attach_reactor.h"

#include <gtest/gtest.h>

#include <string>

#include "server/engine/error.h"
#include "tests/server/fake_engine.h"
#include "tests/server/served_engine.h"
#include "tests/server/turn_events.h"

namespace perennial {
namespace {

v1::AttachRequest Attach(int64_t turn) {
  v1::AttachRequest request;
  request.set_session_id(kSessionId);
  request.set_turn(turn);
  return request;
}

TurnEvent State(int64_t newest_sequence) {
  return {.sequence = newest_sequence,
          .event = TurnState{.session_id = kSessionId,
                             .turn = 7,
                             .phase = TurnPhase::kRunning,
                             .oldest_sequence = 1,
                             .newest_sequence = newest_sequence,
                             .generated_tokens = 3}};
}

TEST(AttachReactorTest, StreamsTheStateThenEventsThenTheEnd) {
  FakeEngine engine;
  ServedEngine served(&engine);
  v1::AttachRequest request = Attach(7);
  request.set_from_sequence(4);
  AttachStream attach(*served.stub, request);
  const FakeEngine::Attached reader = engine.AwaitReader();
  EXPECT_EQ(reader.spec.turn.session_id, kSessionId);
  EXPECT_EQ(reader.spec.turn.turn, 7);
  EXPECT_EQ(reader.spec.from_sequence, 4);
  reader.sink->OnEvent(State(4));
  reader.sink->OnEvent(Delta(4, "a"));
  reader.sink->OnEvent(Delta(5, "b"));
  reader.sink->OnFinish(Finished(6));
  ASSERT_TRUE(attach.End().ok());
  EXPECT_EQ(attach.events().front().state().phase(), v1::TURN_PHASE_RUNNING);
  EXPECT_EQ(attach.events().front().sequence(), 4);
  EXPECT_EQ(attach.text(), "ab");
  for (const v1::TurnEvent& event : attach.events()) {
    EXPECT_EQ(event.session_id(), kSessionId);
    EXPECT_EQ(event.turn(), 7);
  }
  EXPECT_EQ(attach.sequence(), 6);
  EXPECT_EQ(attach.Trailer("x-perennial-generated-tokens"), "2");
}

TEST(AttachReactorTest, ACancelOnlyLetsThisReaderLeave) {
  FakeEngine engine;
  ServedEngine served(&engine);
  AttachStream attach(*served.stub, Attach(7));
  const FakeEngine::Attached reader = engine.AwaitReader();
  reader.sink->OnEvent(State(4));
  ASSERT_TRUE(attach.Next().has_value());
  attach.Cancel();
  engine.AwaitWakes(1);
  EXPECT_TRUE(reader.ticket->left());
  reader.sink->OnFinish(Failed(absl::CancelledError("left")));
  EXPECT_EQ(attach.End().error_code(), grpc::StatusCode::CANCELLED);
}

TEST(AttachReactorTest, ErrorsReachTheClientWithTheirReason) {
  FakeEngine engine;
  engine.refusal = MakeError(ErrorReason::kBeyondReplay, "from_sequence: 1 is no longer kept; 5 … 8 are");
  ServedEngine served(&engine);
  AttachStream attach(*served.stub, Attach(7));
  const grpc::Status status = attach.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(ReasonOf(status), "BEYOND_REPLAY");
  v1::AttachRequest bad = Attach(7);
  bad.set_from_sequence(-1);
  AttachStream refused(*served.stub, bad);
  EXPECT_EQ(BadRequestOf(refused.End())->field_violations(0).field(), "from_sequence");
}

}  // namespace
}  // namespace perennial
