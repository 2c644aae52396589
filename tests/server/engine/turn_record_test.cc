#include "server/engine/turn_record.h"

#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/error.h"
#include "tests/recording_turn_sink.h"

namespace perennial {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Costs sizeof(TurnEvent) and 900 bytes: four fill a replay buffer of 4096.
const std::string kLong(900, 'x');

class TurnRecordTest : public testing::Test {
 protected:
  TurnRecordTest() { options_.replay_bytes = 4096; }
  ~TurnRecordTest() override {
    if (record_ == nullptr) return;
    if (!record_->ended()) record_->Finish({});
    record_->CutReaders(absl::CancelledError(""), now_);
  }

  // Starts the turn; the sink is its starter's.
  TurnRecord& Start(OnDisconnect on_disconnect = OnDisconnect::kContinue,
                    absl::Time deadline = absl::InfiniteFuture()) {
    TurnReader starter(&starter_, deadline);
    ticket_ = starter.ticket();
    record_ = std::make_unique<TurnRecord>(std::move(starter), on_disconnect, &options_, now_);
    record_->SetSession("s");
    record_->SetAdmitted(7);
    return *record_;
  }
  std::shared_ptr<TurnTicket> Attach(RecordingTurnSink& sink, int64_t from, bool from_oldest = false) {
    TurnReader reader(&sink);
    std::shared_ptr<TurnTicket> ticket = reader.ticket();
    record_->Attach(std::move(reader), from, from_oldest);
    return ticket;
  }
  RecordingTurnSink& NewSink(int64_t first_sequence = 1) { return sinks_.emplace_back(first_sequence); }
  void Say(std::string text) { record_->Send(TurnDelta{std::move(text), 1, {}}, now_); }
  absl::Status Poll() { return record_->Poll(now_); }

  EngineOptions options_;
  absl::Time now_ = absl::FromUnixSeconds(1000);
  RecordingTurnSink starter_;
  std::list<RecordingTurnSink> sinks_;  // of those who attach
  std::shared_ptr<TurnTicket> ticket_;
  std::unique_ptr<TurnRecord> record_;
};

TEST_F(TurnRecordTest, NumbersEventsFromOneAndRepeatsForHeartbeats) {
  Start();
  record_->SendHeartbeat({}, now_);  // 0: there was none
  Say("a");
  Say("b");
  record_->SendHeartbeat({}, now_);
  EXPECT_EQ(record_->sequence(), 2);
  record_->Finish({});
  EXPECT_THAT(starter_.events(), SizeIs(4));
  EXPECT_EQ(starter_.result().sequence, 3);
}

TEST_F(TurnRecordTest, AHeartbeatIsDueAfterSilenceWhereSomebodyListens) {
  Start();
  now_ += options_.heartbeat_interval;
  EXPECT_TRUE(record_->HeartbeatDue(now_));
  record_->SendHeartbeat({}, now_);
  EXPECT_FALSE(record_->HeartbeatDue(now_));
  EXPECT_EQ(record_->NextWakeTime(), now_ + options_.heartbeat_interval);
  starter_.SetReady(false);
  EXPECT_TRUE(Poll().ok());
  now_ += options_.heartbeat_interval;
  EXPECT_FALSE(record_->HeartbeatDue(now_)) << "the only reader does not read";
}

// Whatever a reader has read before, the rest makes the whole.
TEST_F(TurnRecordTest, AReplayFromAnyNumberConcatenatesToTheOriginal) {
  Start();
  std::vector<std::string> read = {"", ""};  // by the number of the next event
  for (int i = 0; i < 9; ++i) {
    Say(absl::StrCat("piece", i, " "));
    read.push_back(starter_.text());
  }
  for (int64_t from = 1; from <= 10; ++from) {
    const std::shared_ptr<TurnTicket> ticket = Attach(NewSink(from), from);
    EXPECT_EQ(read[static_cast<size_t>(from)] + sinks_.back().text(), starter_.text()) << "from " << from;
    // The state comes first and takes no number.
    ASSERT_THAT(sinks_.back().EventsOf<TurnState>(), SizeIs(1));
    const TurnState state = sinks_.back().EventsOf<TurnState>()[0];
    EXPECT_EQ(state.session_id, "s");
    EXPECT_EQ(state.turn, 7);
    EXPECT_EQ(state.phase, TurnPhase::kRunning);
    EXPECT_EQ(state.oldest_sequence, 1);
    EXPECT_EQ(state.newest_sequence, 9);
    ticket->Leave();
    EXPECT_TRUE(Poll().ok());
    EXPECT_TRUE(absl::IsCancelled(sinks_.back().result().status));
  }
  record_->Finish({});
  for (int64_t from = 1; from <= 10; ++from) {
    Attach(NewSink(from), from);
    EXPECT_EQ(read[static_cast<size_t>(from)] + sinks_.back().text(), starter_.text()) << "from " << from;
    EXPECT_TRUE(sinks_.back().result().status.ok());
    EXPECT_EQ(sinks_.back().EventsOf<TurnState>()[0].phase, TurnPhase::kEnded);
    EXPECT_EQ(sinks_.back().EventsOf<TurnState>()[0].newest_sequence, 10);
  }
}

TEST_F(TurnRecordTest, SaysWhatCanBeReplayedWhereSomethingCannot) {
  Start();
  for (int i = 0; i < 8; ++i) Say(kLong);
  EXPECT_LE(record_->bytes(), options_.replay_bytes);
  RecordingTurnSink& too_old = NewSink();
  RecordingTurnSink& too_new = NewSink();
  RecordingTurnSink& oldest = NewSink(0);
  Attach(too_old, 1);
  EXPECT_EQ(ReasonOf(too_old.result().status), ErrorReason::kBeyondReplay);
  EXPECT_THAT(too_old.result().status.message(), HasSubstr("1 is no longer kept; 5 … 8 are"));
  EXPECT_THAT(too_old.events(), IsEmpty());
  Attach(too_new, 10);
  EXPECT_EQ(ReasonOf(too_new.result().status), ErrorReason::kBeyondReplay);
  EXPECT_THAT(too_new.result().status.message(), HasSubstr("10 has not been sent; the newest event is 8"));
  Attach(oldest, 1, /*from_oldest=*/true);
  EXPECT_EQ(oldest.text().size(), 4 * kLong.size());
  record_->Finish({});
  record_->DropEvents();
  EXPECT_EQ(record_->bytes(), 0);
  RecordingTurnSink& gone = NewSink();
  RecordingTurnSink& end = NewSink(9);
  Attach(gone, 8);
  EXPECT_THAT(gone.result().status.message(), HasSubstr("8 is no longer kept; 9 … 9 are"));
  Attach(end, 1, /*from_oldest=*/true);
  EXPECT_TRUE(end.result().status.ok()) << "the end is always kept";
}

TEST_F(TurnRecordTest, ALongReplayIsPacedByItsReader) {
  Start();
  for (int i = 0; i < 3; ++i) Say("abc");
  RecordingTurnSink& reader = NewSink();
  reader.on_event = [&](const TurnEvent&) { reader.SetReady(false); };  // takes one at a time
  Attach(reader, 1);
  for (size_t events = 1; events <= 4; ++events) {
    EXPECT_THAT(reader.events(), SizeIs(events));  // the state and one more each time
    reader.SetReady(true);
    EXPECT_TRUE(Poll().ok());
  }
  EXPECT_EQ(reader.text(), starter_.text());
}

TEST_F(TurnRecordTest, TheStarterPacesTheTurnAndOthersDoNot) {
  Start();
  RecordingTurnSink& other = NewSink();
  Attach(other, 1);
  other.SetReady(false);
  EXPECT_TRUE(Poll().ok());
  EXPECT_FALSE(record_->paused());
  starter_.SetReady(false);
  EXPECT_FALSE(record_->paused()) << "as of the last poll";
  EXPECT_TRUE(Poll().ok());
  EXPECT_TRUE(record_->paused());
  starter_.SetReady(true);
  EXPECT_TRUE(Poll().ok());
  EXPECT_FALSE(record_->paused());
}

TEST_F(TurnRecordTest, ASlowSecondReaderIsCutAndTheTurnGoesOn) {
  Start();
  RecordingTurnSink& behind = NewSink();
  RecordingTurnSink& sleepy = NewSink(5);
  Attach(behind, 1);
  behind.SetReady(false);
  for (int i = 0; i < 5; ++i) Say(kLong);
  EXPECT_EQ(ReasonOf(behind.result().status), ErrorReason::kSlowReader) << "what it needs is no longer kept";
  EXPECT_THAT(starter_.text(), SizeIs(5 * kLong.size()));

  Attach(sleepy, 5);
  sleepy.SetReady(false);
  EXPECT_TRUE(Poll().ok());
  EXPECT_EQ(record_->NextWakeTime(), now_ + options_.heartbeat_interval);
  now_ += options_.slow_reader_timeout;
  EXPECT_TRUE(Poll().ok());
  EXPECT_EQ(ReasonOf(sleepy.result().status), ErrorReason::kSlowReader);
  EXPECT_EQ(sleepy.result().turn, 7);
  EXPECT_FALSE(starter_.finished());
}

TEST_F(TurnRecordTest, AStarterThatIsTooSlowEndsATurnThatDependsOnIt) {
  Start(OnDisconnect::kCancel);
  starter_.SetReady(false);
  Say("unread");
  EXPECT_TRUE(Poll().ok());
  EXPECT_EQ(record_->NextWakeTime(), now_ + options_.slow_reader_timeout);
  now_ += options_.slow_reader_timeout;
  const absl::Status why = Poll();
  EXPECT_EQ(ReasonOf(why), ErrorReason::kSlowReader);
  EXPECT_FALSE(starter_.finished()) << "it gets the turn's own end";
  TurnResult result;
  result.status = why;
  record_->Finish(result);
  EXPECT_EQ(starter_.result().status, why);
  EXPECT_EQ(starter_.text(), "") << "what it did not read in all this time it will not get";
}

TEST_F(TurnRecordTest, AStarterThatIsTooSlowIsCutFromATurnThatGoesOn) {
  Start(OnDisconnect::kContinue);
  starter_.SetReady(false);
  EXPECT_TRUE(Poll().ok());
  now_ += options_.slow_reader_timeout;
  EXPECT_TRUE(Poll().ok());
  EXPECT_EQ(ReasonOf(starter_.result().status), ErrorReason::kSlowReader);
  EXPECT_TRUE(record_->detached());
}

TEST_F(TurnRecordTest, LeavingFollowsOnDisconnect) {
  for (const bool deadline : {false, true}) {
    for (const OnDisconnect on_disconnect : {OnDisconnect::kCancel, OnDisconnect::kContinue}) {
      RecordingTurnSink starter;
      TurnReader reader(&starter, deadline ? now_ + absl::Seconds(1) : absl::InfiniteFuture());
      const std::shared_ptr<TurnTicket> ticket = reader.ticket();
      TurnRecord record(std::move(reader), on_disconnect, &options_, now_);
      if (!deadline) ticket->Leave();
      if (deadline) {
        EXPECT_TRUE(record.Poll(now_).ok());
        EXPECT_EQ(record.NextWakeTime(), now_ + absl::Seconds(1));
        now_ += absl::Seconds(1);
      }
      const absl::Status why = record.Poll(now_);
      const absl::StatusCode code = deadline ? absl::StatusCode::kDeadlineExceeded : absl::StatusCode::kCancelled;
      EXPECT_EQ(record.detached(), on_disconnect == OnDisconnect::kContinue);
      if (on_disconnect == OnDisconnect::kCancel) {
        EXPECT_EQ(why.code(), code);
        EXPECT_FALSE(starter.finished());
      } else {
        EXPECT_TRUE(why.ok());
        EXPECT_EQ(starter.result().status.code(), code);
      }
      record.Finish({});
    }
  }
}

// With nobody attached the turn pauses when half of the replay buffer is unread; nothing unread is ever dropped, and
// the other half still holds what was sent and perhaps never arrived.
TEST_F(TurnRecordTest, PausesWhenDetachedAndFullAndDropsNothingUnread) {
  Start();
  for (int i = 0; i < 20; ++i) Say(absl::StrCat(i, kLong));
  ticket_->Leave();
  EXPECT_TRUE(Poll().ok());
  EXPECT_FALSE(record_->paused());
  int said = 0;
  for (; !record_->paused(); ++said) {
    ASSERT_LT(said, 10);
    Say(absl::StrCat("unread", said, kLong));
    EXPECT_TRUE(Poll().ok());
  }
  EXPECT_GE(said, 2);
  EXPECT_LE(record_->bytes(), options_.replay_bytes);
  RecordingTurnSink& back = NewSink(20);  // the client has read 19 of the 20
  const std::shared_ptr<TurnTicket> ticket = Attach(back, 20);
  EXPECT_EQ(back.text().substr(0, 8), "19xxxxxx");
  EXPECT_THAT(back.events(), SizeIs(1 + 1 + said));
  EXPECT_TRUE(Poll().ok());
  EXPECT_FALSE(record_->paused());

  // A step under way may say more than the buffer holds: what is unread is kept all the same.
  ticket->Leave();
  EXPECT_TRUE(Poll().ok());
  const int64_t unread = record_->sequence() + 1;
  for (int i = 0; i < 8; ++i) Say(kLong);
  EXPECT_TRUE(Poll().ok());
  EXPECT_TRUE(record_->paused());
  RecordingTurnSink& again = NewSink(unread);
  Attach(again, unread);
  EXPECT_THAT(again.text(), SizeIs(8 * kLong.size()));
}

TEST_F(TurnRecordTest, AReaderThatComesBackFarBehindHoldsTheTurnUntilItHasRead) {
  Start();
  ticket_->Leave();
  EXPECT_TRUE(Poll().ok());
  for (int i = 0; i < 3; ++i) Say(kLong);
  RecordingTurnSink& back = NewSink();
  back.SetReady(false);
  Attach(back, 1);
  EXPECT_TRUE(Poll().ok());
  EXPECT_TRUE(record_->paused());
  back.SetReady(true);
  EXPECT_TRUE(Poll().ok());
  EXPECT_FALSE(record_->paused());
  EXPECT_THAT(back.text(), SizeIs(3 * kLong.size()));
}

TEST_F(TurnRecordTest, TheLongestFollowerPacesWhenTheStarterIsGone) {
  Start();
  RecordingTurnSink& second = NewSink();
  RecordingTurnSink& third = NewSink();
  Attach(second, 1);
  Attach(third, 1);
  ticket_->Leave();
  EXPECT_TRUE(Poll().ok());
  EXPECT_FALSE(record_->detached());
  third.SetReady(false);
  EXPECT_TRUE(Poll().ok());
  EXPECT_FALSE(record_->paused());
  second.SetReady(false);
  EXPECT_TRUE(Poll().ok());
  EXPECT_TRUE(record_->paused());
}

TEST_F(TurnRecordTest, ATurnThatNobodyFollowsEndsAfterTheDetachTimeout) {
  Start();
  ticket_->Leave();
  EXPECT_TRUE(Poll().ok());
  EXPECT_EQ(record_->NextWakeTime(), now_ + options_.detach_timeout);
  now_ += options_.detach_timeout / 2;
  RecordingTurnSink& visitor = NewSink();
  RecordingTurnSink& refused = NewSink();
  Attach(visitor, 1)->Leave();
  EXPECT_TRUE(Poll().ok());  // from here on nobody follows
  now_ += options_.detach_timeout / 2;
  Attach(refused, 99);  // follows nothing
  EXPECT_TRUE(Poll().ok());
  now_ += options_.detach_timeout / 2;
  EXPECT_TRUE(absl::IsCancelled(Poll()));
}

TEST_F(TurnRecordTest, ARetryTakesTheStartersPlace) {
  Start(OnDisconnect::kCancel);
  Say("a");
  RecordingTurnSink& retry = NewSink();
  TurnReader reader(&retry);
  const std::shared_ptr<TurnTicket> retry_ticket = reader.ticket();
  record_->Rejoin(std::move(reader), OnDisconnect::kCancel);
  EXPECT_EQ(retry.text(), "a");
  EXPECT_THAT(retry.EventsOf<TurnState>(), IsEmpty()) << "its stream is like the first one's";
  ticket_->Leave();  // the broken connection is noticed late
  EXPECT_TRUE(Poll().ok()) << "the turn now depends on the retry";
  EXPECT_TRUE(absl::IsCancelled(starter_.result().status));
  retry.SetReady(false);
  EXPECT_TRUE(Poll().ok());
  EXPECT_TRUE(record_->paused()) << "and is paced by it";
  retry_ticket->Leave();
  EXPECT_TRUE(absl::IsCancelled(Poll()));
}

TEST_F(TurnRecordTest, HasAtMostMaxReadersPerTurn) {
  options_.max_readers_per_turn = 2;
  Start();
  RecordingTurnSink& second = NewSink();
  RecordingTurnSink& third = NewSink();
  Attach(second, 1);
  Attach(third, 1);
  EXPECT_EQ(ReasonOf(third.result().status), ErrorReason::kQueueFull);
  EXPECT_FALSE(second.finished());
}

TEST_F(TurnRecordTest, ReadersOfATurnThatHasEndedGetAllOfItAtTheirPace) {
  Start();
  starter_.SetReady(false);
  Say("late");
  record_->Finish({});
  EXPECT_FALSE(starter_.finished());
  EXPECT_TRUE(Poll().ok());
  EXPECT_EQ(record_->NextWakeTime(), now_ + options_.slow_reader_timeout);
  starter_.SetReady(true);
  EXPECT_TRUE(Poll().ok());
  EXPECT_TRUE(starter_.result().status.ok());
  EXPECT_EQ(starter_.text(), "late");
  EXPECT_FALSE(record_->has_readers());
}

TEST(TurnReaderDeathTest, EndsTheProcessIfAReaderIsForgotten) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        RecordingTurnSink sink;
        TurnReader reader(&sink);
      },
      "check failed");
}

}  // namespace
}  // namespace perennial
