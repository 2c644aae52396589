#include "server/engine/turn_queue.h"

#include <list>
#include <map>
#include <memory>
#include <set>
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

// For turns whose output is of no interest.
class SilentSink : public TurnSink {
 public:
  void OnEvent(TurnEvent /*event*/) override {}
  void OnFinish(TurnResult /*result*/) override {}
};

// Watches one queue and checks its promises as they are written in turn_queue.h. Turns are numbered as they come.
class QueueWatch {
 public:
  int Came(int32_t tenant, Priority priority) {
    const auto number = static_cast<int>(turns_.size());
    turns_.push_back({number, tenant, priority});
    return number;
  }

  // -1: nobody was.
  void Admitted(int number) {
    if (number < 0) {
      EXPECT_TRUE(Waiting().empty());
      return;
    }
    Turn& turn = turns_[static_cast<size_t>(number)];
    EXPECT_FALSE(turn.admitted);
    bool interactive_waits = false, passes_over_batch = false;
    for (const Turn* other : Waiting()) {
      if (other == &turn) continue;
      if (other->priority != turn.priority) {
        (turn.priority == Priority::kBatch ? interactive_waits : passes_over_batch) = true;
      } else if (other->tenant == turn.tenant) {
        EXPECT_GT(other->number, number) << "first come, first served";
      }
    }
    if (interactive_waits) {
      EXPECT_EQ(passed_over_, kBatchShare - 1) << "a batch turn came too early";
    }
    passed_over_ = passes_over_batch ? passed_over_ + 1 : 0;
    EXPECT_LT(passed_over_, kBatchShare) << "a batch turn starves";
    turn.admitted = true;
    // Between two admissions of a tenant that waits all the time, each other tenant has at most one.
    since_[{turn.priority, turn.tenant}].clear();
    std::set<int32_t> waiting_tenants;
    for (const Turn* other : Waiting()) {
      if (other->priority == turn.priority) waiting_tenants.insert(other->tenant);
    }
    for (const int32_t tenant : {0, 1}) {
      if (tenant == turn.tenant) continue;
      std::map<int32_t, int>& others = since_[{turn.priority, tenant}];
      if (waiting_tenants.count(tenant) == 0) {
        others.clear();
      } else {
        EXPECT_LE(++others[turn.tenant], 1) << "a tenant is served twice while another waits";
      }
    }
  }

 private:
  struct Turn {
    int number;
    int32_t tenant;
    Priority priority;
    bool admitted = false;
  };
  std::vector<Turn*> Waiting() {
    std::vector<Turn*> waiting;
    for (Turn& turn : turns_) {
      if (!turn.admitted) waiting.push_back(&turn);
    }
    return waiting;
  }

  std::vector<Turn> turns_;
  std::map<std::pair<Priority, int32_t>, std::map<int32_t, int>> since_;
  int passed_over_ = 0;
};

class TurnQueueTest : public testing::Test {
 protected:
  TurnQueueTest() {
    for (LiveSession* session : {&a_, &b_}) session->cache = *runner_.NewCache(kShape);
  }
  ~TurnQueueTest() override {
    queue_.RemoveIf([](const auto&) { return EarlyEnd{absl::CancelledError("")}; }, Reject);
  }

  struct How {
    absl::Time deadline = absl::InfiniteFuture();
    Priority priority = Priority::kInteractive;
    std::string tenant = "";
  };

  static void Reject(const TurnQueue::WaitingTurn& waiting, EarlyEnd why) {
    waiting.turn.record->Finish(ResultOfRejected(waiting.turn, why, kNow));
    waiting.turn.record->CutReaders(why.status, kNow);  // those that do not read
  }

  // What the engine does once per pass.
  void PollReaders(absl::Time now = kNow) {
    queue_.ForEach([now](const TurnQueue::WaitingTurn& waiting) { EXPECT_TRUE(waiting.turn.record->Poll(now).ok()); });
  }

  // A turn that can be told by its number.
  RecordingTurnSink& Push(LiveSession& session, int64_t number) { return Push(session, number, How()); }
  RecordingTurnSink& Push(LiveSession& session, int64_t number, const How& how) {
    RecordingTurnSink& sink = sinks_.emplace_back();
    TurnSpec spec;
    spec.max_tokens = number;
    spec.deadline = how.deadline;
    spec.priority = how.priority;
    SubmittedTurn turn(std::move(spec), &sink, absl::OkStatus(), &options_, kNow);
    turn.tenant = tenants_.Enter(how.tenant);
    queue_.Push(std::move(turn), &session);
    return sink;
  }

  // Its number; 0 if there is none.
  int64_t Pop(bool lease = false) {
    std::optional<TurnQueue::WaitingTurn> waiting = queue_.PopAdmissible();
    if (!waiting.has_value()) return 0;
    waiting->session->leased = lease;
    const int64_t number = waiting->turn.spec.max_tokens;
    Reject(*waiting, {absl::CancelledError("")});
    return number;
  }

  std::vector<int32_t> PositionsTold(const RecordingTurnSink& sink) const {
    std::vector<int32_t> positions;
    for (const TurnQueued& queued : sink.EventsOf<TurnQueued>()) positions.push_back(queued.position);
    return positions;
  }

  EngineOptions options_;
  FakeModelRunner runner_;
  Tenants tenants_{8};
  std::list<RecordingTurnSink> sinks_;
  LiveSession a_{"a", SpecOf(kShape), Transcript(), 1, false, kNow};
  LiveSession b_{"b", SpecOf(kShape), Transcript(), 1, false, kNow};
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
        return waiting.turn.spec.max_tokens == 2 ? std::optional<EarlyEnd>(EarlyEnd{absl::AbortedError("two")})
                                                 : std::nullopt;
      },
      Reject);
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
  queue_.TellPositions(kNow);
  queue_.TellPositions(kNow);
  EXPECT_THAT(PositionsTold(first), ElementsAre(0));
  second.SetReady(false);
  Pop();
  queue_.TellPositions(kNow);
  EXPECT_THAT(PositionsTold(third), ElementsAre(2, 1));
  EXPECT_THAT(PositionsTold(second), ElementsAre(1)) << "it does not read";
  second.SetReady(true);
  PollReaders();
  EXPECT_THAT(PositionsTold(second), ElementsAre(1, 0));
}

TEST_F(TurnQueueTest, APositionThatIsNotReadIsFollowedByNoOther) {
  RecordingTurnSink& sink = Push(a_, 1);
  Push(b_, 2);
  Push(b_, 3);
  RecordingTurnSink& last = Push(a_, 4);
  for (RecordingTurnSink* slow : {&sink, &last}) slow->SetReady(false);
  for (int i = 0; i < 4; ++i) {
    queue_.TellPositions(kNow);
    PollReaders();
    if (i < 3) Pop();
  }
  EXPECT_THAT(PositionsTold(last), ElementsAre());
  last.SetReady(true);
  PollReaders();
  queue_.TellPositions(kNow);
  EXPECT_THAT(PositionsTold(last), ElementsAre(3, 0));
}

TEST_F(TurnQueueTest, BreaksTheSilenceWithHeartbeats) {
  options_.heartbeat_interval = absl::Seconds(10);
  Push(b_, 1);
  const RecordingTurnSink& sink = Push(a_, 2, {.deadline = kNow + absl::Seconds(25)});
  queue_.TellPositions(kNow);
  EXPECT_EQ(queue_.NextWakeTime(), kNow + absl::Seconds(10));
  queue_.TellPositions(kNow + absl::Seconds(9));
  EXPECT_TRUE(sink.EventsOf<TurnHeartbeat>().empty());
  queue_.TellPositions(kNow + absl::Seconds(10));
  ASSERT_EQ(sink.EventsOf<TurnHeartbeat>().size(), 1u);
  EXPECT_EQ(sink.EventsOf<TurnHeartbeat>()[0].queue_position, 1);
  EXPECT_EQ(queue_.NextWakeTime(), kNow + absl::Seconds(20));
  queue_.TellPositions(kNow + absl::Seconds(20));
  EXPECT_EQ(queue_.NextWakeTime(), kNow + absl::Seconds(25)) << "the deadline";
}

TEST_F(TurnQueueTest, KeepsASessionsTurnsInOrderWhateverTheirPriority) {
  Push(a_, 1, {.priority = Priority::kBatch});
  Push(a_, 2);
  Push(b_, 3, {.priority = Priority::kBatch});
  EXPECT_EQ(Pop(/*lease=*/true), 1);
  EXPECT_EQ(Pop(), 3) << "its session is leased";
  a_.leased = false;
  EXPECT_EQ(Pop(), 2);
}

TEST_F(TurnQueueTest, CountsOnlyTurnsThatPassOverABatchTurn) {
  for (int i = 1; i <= 6; ++i) {
    Push(a_, i);
    EXPECT_EQ(Pop(), i);
  }
  // Nobody waited so far: the batch turn is not yet due.
  Push(b_, 9, {.priority = Priority::kBatch});
  for (int i = 1; i <= 3; ++i) {
    Push(a_, i);
    EXPECT_EQ(Pop(), i);
  }
  Push(a_, 4);
  EXPECT_EQ(Pop(), 9);
  EXPECT_EQ(Pop(), 4);
}

// Every sequence of kSteps steps, each an arrival from one of two tenants, interactive or batch, or an admission; then
// the queue is emptied. Sessions play no part: each turn has its own.
TEST_F(TurnQueueTest, KeepsItsPromisesInEverySmallWorld) {
  constexpr int kSteps = 7;
  constexpr int kKinds = 5;
  std::list<LiveSession> sessions;
  for (int i = 0; i < kSteps; ++i) {
    sessions.emplace_back("s", SpecOf(kShape), Transcript(), 1, false, kNow).cache = *runner_.NewCache(kShape);
  }
  int worlds = 1;
  for (int i = 0; i < kSteps; ++i) worlds *= kKinds;
  for (int world = 0; world < worlds && !HasFailure(); ++world) {
    TurnQueue queue(kSteps, 1, absl::Seconds(1));
    Tenants tenants(2);
    SilentSink sink;
    QueueWatch watch;
    auto session = sessions.begin();
    int rest = world;
    for (int step = 0; step < kSteps || queue.size() > 0; ++step, rest /= kKinds) {
      const int what = step < kSteps ? rest % kKinds : kKinds - 1;
      if (what == kKinds - 1) {
        std::optional<TurnQueue::WaitingTurn> waiting = queue.PopAdmissible();
        watch.Admitted(waiting.has_value() ? static_cast<int>(waiting->turn.spec.max_tokens) : -1);
        if (waiting.has_value()) waiting->turn.record->Finish({});
        continue;
      }
      SubmittedTurn turn(TurnSpec{}, &sink, absl::OkStatus(), &options_, kNow);
      turn.spec.priority = what % 2 == 0 ? Priority::kInteractive : Priority::kBatch;
      turn.tenant = tenants.Enter(what < 2 ? "" : "other");
      turn.spec.max_tokens = watch.Came(turn.tenant.number(), turn.spec.priority);
      queue.Push(std::move(turn), &*session++);
    }
    if (HasFailure()) ADD_FAILURE() << "world " << world;
  }
}

TEST_F(TurnQueueTest, TellsThePositionsInWhichTurnsAreAdmitted) {
  for (int world = 0; world < 4 * 4 * 4 * 4; ++world) {
    TurnQueue queue(4, 4, absl::Seconds(1));
    std::list<RecordingTurnSink> sinks;
    for (int i = 0, rest = world; i < 4; ++i, rest /= 4) {
      SubmittedTurn turn(TurnSpec{}, &sinks.emplace_back(), absl::OkStatus(), &options_, kNow);
      turn.spec.priority = rest % 2 == 0 ? Priority::kInteractive : Priority::kBatch;
      turn.tenant = tenants_.Enter(rest / 2 % 2 == 0 ? "" : "other");
      turn.spec.max_tokens = i;
      queue.Push(std::move(turn), &a_);
      a_.waiting_turns = 0;  // as if each had a session of its own
    }
    queue.TellPositions(kNow);
    for (int admitted = 0; admitted < 4; ++admitted) {
      a_.waiting_turns = 1;
      std::optional<TurnQueue::WaitingTurn> waiting = queue.PopAdmissible();
      ASSERT_TRUE(waiting.has_value());
      EXPECT_EQ(PositionsTold(*std::next(sinks.begin(), waiting->turn.spec.max_tokens)).front(), admitted) << world;
      waiting->turn.record->Finish({});
    }
  }
}

}  // namespace
}  // namespace perennial
