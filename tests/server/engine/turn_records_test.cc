#include "server/engine/turn_records.h"

#include <list>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "tests/recording_turn_sink.h"

namespace perennial {
namespace {

const std::string kLong(1000, 'x');

class TurnRecordsTest : public testing::Test {
 protected:
  ~TurnRecordsTest() override { records_.CutReaders(absl::CancelledError(""), now_); }

  // A turn that was admitted, has said kLong and has ended.
  std::shared_ptr<TurnRecord> Run(const std::string& session, int64_t turn, bool request, bool read = true) {
    RecordingTurnSink& sink = sinks_.emplace_back();
    sink.SetReady(read);
    auto record = std::make_shared<TurnRecord>(TurnReader(&sink), OnDisconnect::kCancel, &options_, now_);
    record->SetSession(session);
    record->SetAdmitted(turn);
    records_.Add(record);
    record->Send(TurnDelta{kLong, 1, {}}, now_);
    record->Finish({});
    records_.Keep(record, request, now_);
    return record;
  }

  EngineOptions options_;
  absl::Time now_ = absl::FromUnixSeconds(1000);
  std::list<RecordingTurnSink> sinks_;
  TurnRecords records_{&options_};
};

TEST_F(TurnRecordsTest, KeepsATurnUntilTheSessionsNextOneBegins) {
  const auto first = Run("a", 1, /*request=*/false);
  EXPECT_EQ(records_.Find("a", 1), first);
  EXPECT_EQ(records_.Find("b", 1), nullptr);
  EXPECT_EQ(records_.kept_turns(), 1);
  Run("b", 1, /*request=*/false);
  EXPECT_EQ(records_.Find("a", 1), first);
  Run("a", 2, /*request=*/false);
  EXPECT_EQ(records_.Find("a", 1), nullptr);
  EXPECT_EQ(records_.kept_turns(), 2);
  records_.ForgetSession("a");
  records_.ForgetSession("b");
  EXPECT_EQ(records_.kept_turns(), 0);
  EXPECT_EQ(records_.kept_bytes(), 0);
}

TEST_F(TurnRecordsTest, KeepsATurnWithARequestIdForItsTime) {
  const auto first = Run("a", 1, /*request=*/true);
  Run("a", 2, /*request=*/false);
  records_.ForgetSession("a");
  EXPECT_EQ(records_.Find("a", 1), first);
  EXPECT_EQ(records_.Find("a", 2), nullptr);
  EXPECT_EQ(records_.NextWakeTime(), now_ + options_.request_id_ttl);
  now_ += options_.request_id_ttl;
  records_.Poll(now_);
  EXPECT_EQ(records_.Find("a", 1), nullptr);
  EXPECT_EQ(records_.NextWakeTime(), absl::InfiniteFuture());
}

TEST_F(TurnRecordsTest, ForgetsAllOfASessionThatIsDeleted) {
  Run("a", 1, /*request=*/true);
  Run("a", 2, /*request=*/false);
  Run("aa", 1, /*request=*/true);
  records_.ForgetAllOfSession("a");
  EXPECT_EQ(records_.kept_turns(), 1);
  now_ += options_.request_id_ttl;
  records_.Poll(now_);  // the expiry of what is gone harms nobody
  EXPECT_EQ(records_.kept_turns(), 0);
}

TEST_F(TurnRecordsTest, GivesUpTheOldestEventsFirstButNoEnd) {
  Run("a", 1, /*request=*/true);
  options_.kept_replay_bytes = 2 * records_.kept_bytes();
  Run("b", 1, /*request=*/false);
  EXPECT_EQ(records_.kept_bytes(), options_.kept_replay_bytes);
  Run("c", 1, /*request=*/false);
  EXPECT_EQ(records_.kept_bytes(), options_.kept_replay_bytes);
  ASSERT_NE(records_.Find("a", 1), nullptr) << "its id must still be known";
  EXPECT_EQ(records_.Find("a", 1)->bytes(), 0);
  Run("d", 1, /*request=*/false);
  EXPECT_EQ(records_.Find("b", 1), nullptr);
  EXPECT_NE(records_.Find("c", 1), nullptr);
}

TEST_F(TurnRecordsTest, CountsAndGivesUpWhatNeverAdmittedTurnsWereTold) {
  std::list<std::shared_ptr<TurnRecord>> waited;
  options_.kept_replay_bytes = 10'000;
  for (int i = 0; i < 20; ++i) {
    auto record =
        std::make_shared<TurnRecord>(TurnReader(&sinks_.emplace_back()), OnDisconnect::kContinue, &options_, now_);
    record->SetSession("a");
    for (int place = 0; place < 10; ++place) record->Send(TurnQueued{.position = place}, now_);
    record->Finish({});
    records_.Keep(record, /*found_by_request=*/true, now_);
    waited.push_back(record);
    EXPECT_GT(records_.kept_bytes(), 0);
    EXPECT_LE(records_.kept_bytes(), options_.kept_replay_bytes);
  }
  EXPECT_EQ(waited.front()->bytes(), 0);
  EXPECT_GT(waited.back()->bytes(), 0);
  records_.ForgetAllOfSession("a");
  EXPECT_EQ(records_.kept_bytes(), 0);
}

TEST_F(TurnRecordsTest, LooksAfterReadersOfTurnsThatHaveEnded) {
  options_.kept_replay_bytes = 0;
  const auto record = Run("a", 1, /*request=*/false, /*read=*/false);
  EXPECT_TRUE(records_.has_readers());
  EXPECT_NE(records_.Find("a", 1), nullptr) << "it is being read";
  Run("a", 2, /*request=*/false);
  EXPECT_FALSE(records_.Poll(now_));
  EXPECT_EQ(records_.NextWakeTime(), now_ + options_.slow_reader_timeout);
  sinks_.front().SetReady(true);
  EXPECT_TRUE(records_.Poll(now_));
  EXPECT_FALSE(records_.has_readers());
  EXPECT_EQ(sinks_.front().text(), kLong);
  EXPECT_EQ(records_.kept_turns(), 0);
}

TEST_F(TurnRecordsTest, DropsWhatIsNotToBeFoundAgain) {
  RecordingTurnSink sink;
  sink.SetReady(false);
  auto record = std::make_shared<TurnRecord>(TurnReader(&sink), OnDisconnect::kCancel, &options_, now_);
  record->SetSession("a");
  record->SetAdmitted(1);
  records_.Add(record);
  record->Send(TurnDelta{kLong, 1, {}}, now_);
  record->Finish({});
  records_.Drop(record);
  EXPECT_EQ(records_.Find("a", 1), nullptr);
  EXPECT_TRUE(records_.has_readers()) << "who follows still gets it all";
  records_.CutReaders(absl::UnavailableError("enough"), now_);
  EXPECT_TRUE(absl::IsUnavailable(sink.result().status));
}

}  // namespace
}  // namespace perennial
