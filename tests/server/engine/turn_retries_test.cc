// A request that comes twice happens once.

#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/engine/turn_requests_fixture.h"

namespace perennial {
namespace {

using testing::SizeIs;

using TurnRetriesTest = TurnRequestsFixture;

TEST_F(TurnRetriesTest, ARetryNeverGeneratesAgain) {
  const std::string session = CreateSession();
  RecordingTurnSink first, while_running, when_ended;
  Submit(Named(session, "r"), first);
  for (int i = 0; i < 4; ++i) RunOnce();
  Submit(Named(session, "r"), while_running);
  RunUntilIdle();
  const int64_t fed = runner().counters().stream_tokens;
  clock_.Advance(options_.request_id_ttl - absl::Nanoseconds(1));
  Submit(Named(session, "r"), when_ended);
  RunUntilIdle();
  for (const RecordingTurnSink* retry : {&while_running, &when_ended}) {
    EXPECT_EQ(retry->text(), first.text());
    EXPECT_THAT(retry->events(), SizeIs(first.events().size()));
    EXPECT_EQ(retry->result().turn, 1);
  }
  EXPECT_EQ(runner().counters().stream_tokens, fed);
  EXPECT_EQ(GetSession(session)->turns, 1);
  EXPECT_EQ(engine().Stats().turns_rejoined, 2);
  EXPECT_EQ(engine().Stats().request_ids, 1);
  clock_.Advance(absl::Nanoseconds(1));
  RecordingTurnSink later;
  Submit(Named(session, "r"), later);
  RunUntilIdle();
  EXPECT_EQ(later.result().turn, 2) << "after its time the id is new";
}

TEST_F(TurnRetriesTest, ARetryInTheSamePassOrOfAWaitingTurnFindsIt) {
  const std::string session = CreateSession();
  RecordingTurnSink running, first, second;
  Submit(Turn(session, "a", 5), running);
  Submit(Named(session, "r", 3), first);
  Submit(Named(session, "r", 3), second);
  RunUntilIdle();
  EXPECT_EQ(first.result().turn, 2);
  EXPECT_EQ(second.result().turn, 2);
  EXPECT_EQ(second.text(), first.text());
  EXPECT_EQ(GetSession(session)->turns, 2);
}

TEST_F(TurnRetriesTest, TheSameIdWithAnotherRequestIsRefused) {
  const std::string session = CreateSession();
  RecordingTurnSink first, reused, elsewhere, create;
  Submit(Named(session, "r", 3), first);
  TurnSpec other = Named(session, "r", 3);
  other.request.fingerprint = 2;
  Submit(other, reused);
  other.session_id = CreateSession();
  Submit(other, elsewhere);
  RunUntilIdle();
  EXPECT_EQ(ReasonOf(reused.result().status), ErrorReason::kRequestIdReused);
  EXPECT_TRUE(elsewhere.result().status.ok()) << "ids count per session";
  RecordingTurnSink again;
  Submit(Named(session, "r", 3), again);
  RunUntilIdle();
  EXPECT_EQ(again.result().turn, 1) << "the refusal took nothing from the first";
}

TEST_F(TurnRetriesTest, WhatLeavesNoTraceDoesNotUseUpTheId) {
  options_.prefill_chunk_tokens = 1;
  options_.max_turns_per_session = 1;
  const std::string session = CreateSession();
  RecordingTurnSink running, waiting, refused, undone, again;
  const std::shared_ptr<TurnTicket> runs = Submit(Turn(session, "a", 1000), running);
  RunOnce();
  const std::shared_ptr<TurnTicket> waits = Submit(Turn(session, "a", 1000), waiting);
  Submit(Named(session, "r"), refused);
  RunOnce();
  EXPECT_EQ(ReasonOf(refused.result().status), ErrorReason::kQueueFull);
  waits->Leave();
  Leave(runs);
  // Cancelled before its first token: undone.
  const std::shared_ptr<TurnTicket> ticket = Submit(Named(session, "r", 3, OnDisconnect::kCancel), undone);
  RunOnce();
  Leave(ticket);
  EXPECT_TRUE(absl::IsCancelled(undone.result().status));
  EXPECT_EQ(engine().Stats().request_ids, 0);
  Submit(Named(session, "r", 3), again);
  RunUntilIdle();
  EXPECT_TRUE(again.result().status.ok());
  EXPECT_THAT(again.text(), SizeIs(3));
}

TEST_F(TurnRetriesTest, ARetryTakesOverATurnThatItsBrokenCallWouldHaveCancelled) {
  const std::string session = CreateSession();
  RecordingTurnSink first, retry;
  const std::shared_ptr<TurnTicket> ticket = Submit(Named(session, "r", 10, OnDisconnect::kCancel), first);
  for (int i = 0; i < 3; ++i) RunOnce();
  Submit(Named(session, "r", 10, OnDisconnect::kCancel), retry);
  RunOnce();
  ticket->Leave();  // noticed late
  RunUntilIdle();
  EXPECT_TRUE(absl::IsCancelled(first.result().status));
  EXPECT_TRUE(retry.result().status.ok());
  EXPECT_THAT(retry.text(), SizeIs(10));
}

TEST_F(TurnRetriesTest, ATurnWithoutASessionIsFoundByItsRequestIdWhenTheSessionIsGone) {
  TurnSpec spec = Named("", "r", 5);
  spec.ephemeral = Spec();
  RecordingTurnSink first, retry, attached;
  Submit(spec, first);
  RunUntilIdle();
  EXPECT_EQ(engine().Stats().sessions, 0);
  Submit(spec, retry);
  AttachTo("", "r", attached);
  RunUntilIdle();
  EXPECT_EQ(retry.text(), first.text());
  EXPECT_EQ(attached.text(), first.text());
  EXPECT_EQ(engine().Stats().sessions_created, 1);
  RecordingTurnSink by_number;
  Attach(first.result().session_id, 1, by_number);
  RunOnce();
  EXPECT_EQ(by_number.text(), first.text());
}

TEST_F(TurnRetriesTest, DeletingASessionDeletesItsTexts) {
  const std::string session = CreateSession();
  RecordingTurnSink first, retry, attached;
  Submit(Named(session, "r", 5), first);
  RunUntilIdle();
  EXPECT_EQ(engine().Stats().kept_turns, 1);
  EXPECT_TRUE(DeleteSession(session).ok());
  EXPECT_EQ(engine().Stats().kept_turns, 0);
  EXPECT_EQ(engine().Stats().replay_bytes, 0);
  Submit(Named(session, "r", 5), retry);
  AttachTo(session, "r", attached);
  RunUntilIdle();
  EXPECT_EQ(ReasonOf(retry.result().status), ErrorReason::kSessionNotFound);
  EXPECT_EQ(ReasonOf(attached.result().status), ErrorReason::kSessionNotFound);
}

TEST_F(TurnRetriesTest, TooManyRequestIdsAreRefusedAndNoneIsForgotten) {
  options_.max_request_ids = 1;
  const std::string session = CreateSession();
  RecordingTurnSink first, second, retry;
  Submit(Named(session, "r", 5), first);
  Submit(Named(session, "s", 5), second);
  Submit(Named(session, "r", 5), retry);
  RunUntilIdle();
  EXPECT_TRUE(first.result().status.ok());
  EXPECT_EQ(ReasonOf(second.result().status), ErrorReason::kQueueFull);
  EXPECT_TRUE(retry.result().status.ok());
}

TEST_F(TurnRetriesTest, CreatingASessionTwiceMakesOne) {
  SessionSpec spec = Spec();
  spec.request = {.id = "c", .fingerprint = 5};
  const absl::StatusOr<SessionSummary> first = TryCreateSession(spec);
  const absl::StatusOr<SessionSummary> second = TryCreateSession(spec);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(second->id, first->id);
  EXPECT_EQ(engine().Stats().sessions, 1);
  SessionSpec other = spec;
  other.request.fingerprint = 6;
  EXPECT_EQ(ReasonOf(TryCreateSession(other).status()), ErrorReason::kRequestIdReused);
  EXPECT_TRUE(DeleteSession(first->id).ok());
  EXPECT_EQ(ReasonOf(TryCreateSession(spec).status()), ErrorReason::kSessionNotFound) << "it is not made again";
}

}  // namespace
}  // namespace perennial
