#include "server/event_outbox.h"

#include <gtest/gtest.h>

#include <string>

namespace perennial {
namespace {

v1::TurnEvent Delta(int64_t sequence, const std::string& text) {
  v1::TurnEvent event;
  event.set_first_sequence(sequence);
  event.set_sequence(sequence);
  event.mutable_delta()->set_text(text);
  event.mutable_delta()->set_tokens(1);
  event.mutable_delta()->add_logprobs()->set_token(text[0]);
  return event;
}

v1::TurnEvent Heartbeat(int64_t sequence, int64_t fed) {
  v1::TurnEvent event;
  event.set_first_sequence(sequence);
  event.set_sequence(sequence);
  event.mutable_heartbeat()->set_prompt_tokens_fed(fed);
  return event;
}

v1::TurnEvent Evicted(int64_t sequence) {
  v1::TurnEvent event;
  event.set_first_sequence(sequence);
  event.set_sequence(sequence);
  event.mutable_evicted()->set_last_turn(sequence);
  return event;
}

TEST(EventOutboxTest, MergesDeltasThatWait) {
  EventOutbox outbox;
  outbox.Push(Delta(4, "a"));
  outbox.Push(Delta(5, "b"));
  outbox.Push(Delta(6, "c"));
  const v1::TurnEvent merged = outbox.TakeNext();
  EXPECT_EQ(merged.first_sequence(), 4);
  EXPECT_EQ(merged.sequence(), 6);
  EXPECT_EQ(merged.delta().text(), "abc");
  EXPECT_EQ(merged.delta().tokens(), 3);
  ASSERT_EQ(merged.delta().logprobs_size(), 3);
  EXPECT_EQ(merged.delta().logprobs(0).token(), 'a');
  EXPECT_EQ(merged.delta().logprobs(2).token(), 'c');
  EXPECT_TRUE(outbox.empty());
}

TEST(EventOutboxTest, NeverMergesIntoADeltaInFlight) {
  EventOutbox outbox;
  outbox.Push(Delta(1, "a"));
  EXPECT_EQ(outbox.TakeNext().delta().text(), "a");
  outbox.Push(Delta(2, "b"));
  outbox.Written();
  const v1::TurnEvent next = outbox.TakeNext();
  EXPECT_EQ(next.first_sequence(), 2);
  EXPECT_EQ(next.delta().text(), "b");
}

TEST(EventOutboxTest, KeepsTheOrderAcrossOtherEvents) {
  EventOutbox outbox;
  outbox.Push(Delta(1, "a"));
  outbox.Push(Evicted(2));
  outbox.Push(Evicted(3));
  outbox.Push(Delta(4, "b"));
  for (int64_t sequence = 1; sequence <= 4; ++sequence) {
    EXPECT_EQ(outbox.TakeNext().sequence(), sequence);
    outbox.Written();
  }
  EXPECT_TRUE(outbox.empty());
}

TEST(EventOutboxTest, ANewerHeartbeatReplacesAWaitingOne) {
  EventOutbox outbox;
  outbox.Push(Heartbeat(1, 10));
  outbox.Push(Heartbeat(1, 20));
  EXPECT_EQ(outbox.TakeNext().heartbeat().prompt_tokens_fed(), 20);
  EXPECT_TRUE(outbox.empty());
}

TEST(EventOutboxTest, CountsMergedDeltasAsIfTheyWereNot) {
  EventOutbox merged, one;
  for (int64_t i = 1; i <= 100; ++i) merged.Push(Delta(1, "a"));
  one.Push(Delta(1, "a"));
  EXPECT_EQ(merged.unread_bytes(), 100 * one.unread_bytes());
  merged.TakeNext();
  EXPECT_EQ(merged.unread_bytes(), 100 * one.unread_bytes());
  merged.Written();
  EXPECT_EQ(merged.unread_bytes(), 0);
}

TEST(EventOutboxTest, CountsWhatWaitsAndWhatIsInFlight) {
  EventOutbox outbox;
  EXPECT_EQ(outbox.unread_bytes(), 0);
  outbox.Push(Delta(1, std::string(100, 'x')));
  outbox.Push(Delta(2, std::string(100, 'x')));
  const int64_t bytes = outbox.unread_bytes();
  EXPECT_GT(bytes, 200);
  EXPECT_LT(bytes, 250);
  outbox.TakeNext();
  EXPECT_EQ(outbox.unread_bytes(), bytes);
  outbox.Push(Evicted(3));
  EXPECT_GT(outbox.unread_bytes(), bytes);
  outbox.Written();
  EXPECT_LT(outbox.unread_bytes(), 30);
  outbox.DropWaiting();
  EXPECT_EQ(outbox.unread_bytes(), 0);
  EXPECT_TRUE(outbox.empty());
}

}  // namespace
}  // namespace perennial
