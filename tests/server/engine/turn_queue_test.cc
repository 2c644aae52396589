#include "server/engine/turn_queue.h"

#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/error.h"
#include "tests/fake_model_runner.h"
#include "tests/recording_turn_sink.h"

namespace perennial {
namespace {

using testing::ElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1000);
const CacheShape kShape = {.sink_tokens = 0, .note_tokens = 0, .window_tokens = 4};

SessionSpec SpecOf(const CacheShape& shape) {
  SessionSpec spec;
  spec.shape = shape;
  return spec;
}

class TurnQueueTest : public testing::Test {
 protected:
  ~TurnQueueTest() override {
    queue_.RemoveIf([](const auto&) { return absl::CancelledError(""); },
                    [](TurnQueue::WaitingTurn waiting, absl::Status why) {
                      RejectTurn(std::move(waiting.turn), std::move(why), kNow);
                    });
  }

  // A turn that can be told by its number.
  RecordingTurnSink& Push(LiveSession& session, int64_t number, absl::Time deadline = absl::InfiniteFuture()) {
    RecordingTurnSink& sink = sinks_.emplace_back();
    TurnSpec spec;
    spec.max_tokens = number;
    spec.deadline = deadline;
    queue_.Push(SubmittedTurn(std::move(spec), &sink, absl::OkStatus(), kNow), &session);
    return sink;
  }

  // Its number; 0 if there is none.
  int64_t Pop(bool lease = false) {
    std::optional<TurnQueue::WaitingTurn> waiting = queue_.PopAdmissible();
    if (!waiting.has_value()) return 0;
    waiting->session->leased = lease;
    const int64_t number = waiting->turn.spec.max_tokens;
    RejectTurn(std::move(waiting->turn), absl::CancelledError(""), kNow);
    return number;
  }

  std::vector<int32_t> PositionsTold(const RecordingTurnSink& sink) const {
    std::vector<int32_t> positions;
    for (const TurnQueued& queued : sink.EventsOf<TurnQueued>()) positions.push_back(queued.position);
    return positions;
  }

  FakeModelRunner runner_;
  std::list<RecordingTurnSink> sinks_;
  LiveSession a_{"a", SpecOf(kShape), *runner_.NewCache(kShape), false, kNow};
  LiveSession b_{"b", SpecOf(kShape), *runner_.NewCache(kShape), false, kNow};
  TurnQueue queue_{4, 3, absl::Seconds(2)};
};

TEST_F(TurnQueueTest, AdmitsInTheOrderOfArrival) {
  Push(a_, 1);
  Push(b_, 2);
  Push(a_, 3);
  EXPECT_EQ(a_.waiting_turns, 2);
  EXPECT_EQ(Pop(), 1);
  EXPECT_EQ(Pop(), 2);
  EXPECT_EQ(Pop(), 3);
  EXPECT_EQ(Pop(), 0);
  EXPECT_EQ(a_.waiting_turns, 0);
}

TEST_F(TurnQueueTest, LetsOthersPassATurnWhoseSessionIsLeased) {
  Push(a_, 1);
  Push(a_, 2);
  Push(b_, 3);
  EXPECT_EQ(Pop(/*lease=*/true), 1);
  EXPECT_EQ(Pop(/*lease=*/true), 3);
  EXPECT_EQ(Pop(), 0);
  a_.leased = false;
  EXPECT_EQ(Pop(), 2);
}

TEST_F(TurnQueueTest, LimitsTurnsInAllAndPerSession) {
  EXPECT_TRUE(queue_.CheckRoom(a_).ok());
  for (int i = 1; i <= 3; ++i) Push(a_, i);
  EXPECT_EQ(ReasonOf(queue_.CheckRoom(a_)), ErrorReason::kQueueFull);
  EXPECT_EQ(RetryAfterOf(queue_.CheckRoom(a_)), absl::Seconds(2));
  EXPECT_TRUE(queue_.CheckRoom(b_).ok());
  Push(b_, 4);
  EXPECT_EQ(ReasonOf(queue_.CheckRoom(b_)), ErrorReason::kQueueFull);
}

TEST_F(TurnQueueTest, RemovesWhatIsToEnd) {
  Push(a_, 1);
  RecordingTurnSink& second = Push(b_, 2);
  Push(a_, 3);
  queue_.RemoveIf(
      [](const TurnQueue::WaitingTurn& waiting) {
        return waiting.turn.spec.max_tokens == 2 ? absl::AbortedError("two") : absl::OkStatus();
      },
      [](TurnQueue::WaitingTurn waiting, absl::Status why) {
        RejectTurn(std::move(waiting.turn), std::move(why), kNow);
      });
  EXPECT_EQ(second.result().status, absl::AbortedError("two"));
  EXPECT_EQ(b_.waiting_turns, 0);
  EXPECT_EQ(queue_.size(), 2);
  EXPECT_EQ(Pop(), 1);
  EXPECT_EQ(Pop(), 3);
}

TEST_F(TurnQueueTest, TellsEachClientWhenItsPositionChanges) {
  const RecordingTurnSink& first = Push(a_, 1);
  RecordingTurnSink& second = Push(b_, 2);
  const RecordingTurnSink& third = Push(a_, 3);
  queue_.TellPositions(absl::Hours(1), kNow);
  queue_.TellPositions(absl::Hours(1), kNow);
  EXPECT_THAT(PositionsTold(first), ElementsAre(0));
  second.SetReady(false);
  Pop();
  queue_.TellPositions(absl::Hours(1), kNow);
  EXPECT_THAT(PositionsTold(third), ElementsAre(2, 1));
  EXPECT_THAT(PositionsTold(second), ElementsAre(1)) << "a client that does not read piles nothing up";
  second.SetReady(true);
  queue_.TellPositions(absl::Hours(1), kNow);
  EXPECT_THAT(PositionsTold(second), ElementsAre(1, 0));
}

TEST_F(TurnQueueTest, BreaksTheSilenceWithHeartbeats) {
  Push(b_, 1);
  const RecordingTurnSink& sink = Push(a_, 2, kNow + absl::Seconds(25));
  queue_.TellPositions(absl::Seconds(10), kNow);
  EXPECT_EQ(queue_.NextWakeTime(absl::Seconds(10)), kNow + absl::Seconds(10));
  queue_.TellPositions(absl::Seconds(10), kNow + absl::Seconds(9));
  EXPECT_TRUE(sink.EventsOf<TurnHeartbeat>().empty());
  queue_.TellPositions(absl::Seconds(10), kNow + absl::Seconds(10));
  ASSERT_EQ(sink.EventsOf<TurnHeartbeat>().size(), 1u);
  EXPECT_EQ(sink.EventsOf<TurnHeartbeat>()[0].queue_position, 1);
  EXPECT_EQ(queue_.NextWakeTime(absl::Seconds(10)), kNow + absl::Seconds(20));
  EXPECT_EQ(queue_.NextWakeTime(absl::Hours(1)), kNow + absl::Seconds(25)) << "the deadline";
}

}  // namespace
}  // namespace perennial
