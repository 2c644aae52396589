#include "server/engine/inbox.h"

#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/recording_turn_sink.h"

namespace perennial {
namespace {

const EngineOptions kOptions;

InboxItem Get(std::string id) {
  return GetSessionCall{std::move(id), [](absl::StatusOr<SessionSummary>) {}};
}

InboxItem TurnFor(TurnSink* sink) { return SubmittedTurn({}, sink, absl::OkStatus(), &kOptions, absl::UnixEpoch()); }

void Reject(InboxItem item) { AnswerWith(absl::UnavailableError("no"), std::move(item), absl::UnixEpoch()); }

TEST(InboxTest, GivesEverythingInTheOrderInWhichItCame) {
  Inbox inbox(10, 10);
  for (const char* id : {"a", "b", "c"}) {
    InboxItem item = Get(id);
    EXPECT_EQ(inbox.Put(item), Inbox::PutResult::kTaken);
  }
  std::vector<InboxItem> items = inbox.TakeAll();
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(std::get<GetSessionCall>(items[0]).id, "a");
  EXPECT_EQ(std::get<GetSessionCall>(items[2]).id, "c");
  EXPECT_TRUE(inbox.TakeAll().empty());
}

TEST(InboxTest, LimitsTurnsAndCallsApart) {
  Inbox inbox(1, 2);
  RecordingTurnSink first, second;
  InboxItem turn = TurnFor(&first), late = TurnFor(&second);
  EXPECT_EQ(inbox.Put(turn), Inbox::PutResult::kTaken);
  EXPECT_EQ(inbox.Put(late), Inbox::PutResult::kFull);
  Reject(std::move(late));  // as it was: it can still be answered
  EXPECT_TRUE(second.finished());
  for (const Inbox::PutResult expected :
       {Inbox::PutResult::kTaken, Inbox::PutResult::kTaken, Inbox::PutResult::kFull}) {
    InboxItem call = Get("x");
    EXPECT_EQ(inbox.Put(call), expected);
  }
  InboxItem drain = DrainCall{absl::UnixEpoch(), nullptr};
  EXPECT_EQ(inbox.Put(drain), Inbox::PutResult::kTaken);
  std::vector<InboxItem> items = inbox.TakeAll();
  EXPECT_EQ(items.size(), 4u);
  for (InboxItem& item : items) Reject(std::move(item));
  InboxItem call = Get("x");
  EXPECT_EQ(inbox.Put(call), Inbox::PutResult::kTaken) << "taking made room";
}

TEST(InboxTest, TakesNothingOnceClosed) {
  Inbox inbox(1, 1);
  InboxItem before = Get("a"), after = Get("b");
  EXPECT_EQ(inbox.Put(before), Inbox::PutResult::kTaken);
  EXPECT_FALSE(inbox.closed());
  inbox.Close();
  EXPECT_TRUE(inbox.closed());
  EXPECT_EQ(inbox.Put(after), Inbox::PutResult::kClosed);
  EXPECT_EQ(inbox.TakeAll().size(), 1u);
}

TEST(InboxTest, WaitsForWorkWakesAndClosing) {
  Inbox inbox(1, 1);
  inbox.Wait(absl::ZeroDuration());  // the time is up at once
  inbox.Wake();
  inbox.Wait(absl::InfiniteDuration());  // woken before
  inbox.TakeAll();
  std::thread other([&] {
    InboxItem item = Get("a");
    inbox.Put(item);
  });
  inbox.Wait(absl::InfiniteDuration());
  other.join();
  EXPECT_EQ(inbox.TakeAll().size(), 1u);
  inbox.Close();
  inbox.Wait(absl::InfiniteDuration());
}

TEST(InboxTest, AnswersEveryKindOfCall) {
  std::vector<absl::Status> answers;
  const auto session = [&](absl::StatusOr<SessionSummary> answer) { answers.push_back(answer.status()); };
  const auto page = [&](absl::StatusOr<SessionPage> answer) { answers.push_back(answer.status()); };
  Reject(CreateSessionCall{{}, absl::OkStatus(), session});
  Reject(GetSessionCall{"", session});
  Reject(UpdateSessionCall{"", {}, absl::OkStatus(), session});
  Reject(ListSessionsCall{{}, absl::OkStatus(), page});
  Reject(DeleteSessionCall{"", session});
  EXPECT_EQ(answers, std::vector<absl::Status>(5, absl::UnavailableError("no")));
  bool drained = false;
  Reject(DrainCall{absl::UnixEpoch(), [&] { drained = true; }});
  EXPECT_TRUE(drained);
  RecordingTurnSink sink;
  Reject(TurnFor(&sink));
  EXPECT_EQ(sink.result().status, absl::UnavailableError("no"));
  EXPECT_EQ(sink.result().turn, 0);
}

}  // namespace
}  // namespace perennial
