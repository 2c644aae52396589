#include "server/engine/session_store.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/error.h"
#include "tests/fake_model_runner.h"

namespace perennial {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1000);

class SessionStoreTest : public testing::Test {
 protected:
  SessionStoreTest()
      : runner_(FakeOptions{
            .cache_memory_bytes = 40 * FakeModelRunner::kRowBytes, .script = nullptr, .before_step = nullptr}) {}

  SessionSpec Spec(absl::Duration idle_timeout = absl::Hours(1)) const {
    return {.shape = {.sink_tokens = 2, .note_tokens = 0, .window_tokens = 8},
            .opening = {1, 2, 3},
            .idle_timeout = idle_timeout,
            .route = "r",
            .labels = {}};
  }

  LiveSession* Create(absl::Duration idle_timeout = absl::Hours(1)) {
    absl::StatusOr<LiveSession*> session = store_.Create(Spec(idle_timeout), false, kNow);
    EXPECT_TRUE(session.ok()) << session.status();
    return session.value_or(nullptr);
  }

  FakeModelRunner runner_;  // room for four caches of ten tokens
  uint64_t bits_ = 0;
  SessionStore store_{8, absl::Seconds(3), Transcript(), 0, &runner_, [this] { return bits_++; }};
};

TEST_F(SessionStoreTest, FindsSessionsById) {
  LiveSession* session = Create();
  EXPECT_EQ(session->id, "00000000000000000000000000000001");
  EXPECT_EQ(store_.Find(session->id), session);
  EXPECT_EQ(store_.Find("00000000000000000000000000000002"), nullptr);
  session->deleted = true;
  EXPECT_EQ(store_.Find(session->id), nullptr);
}

TEST_F(SessionStoreTest, NeverGivesAnIdTwice) {
  EXPECT_NE(Create(), nullptr);
  bits_ = 0;  // the same bits again
  EXPECT_EQ(Create()->id, "00000000000000020000000000000003");
}

TEST_F(SessionStoreTest, ReservesCacheMemoryAndTakesNone) {
  const int64_t free = runner_.FreeCacheBytes();
  LiveSession* session = Create();
  EXPECT_EQ(session->reserved_bytes, 10 * FakeModelRunner::kRowBytes);
  EXPECT_EQ(store_.reservations().total_bytes(), session->reserved_bytes);
  EXPECT_EQ(runner_.FreeCacheBytes(), free);
  store_.Remove(session);
  EXPECT_EQ(store_.reservations().total_bytes(), 0);
  EXPECT_EQ(store_.size(), 0);
  EXPECT_EQ(store_.next_expiry(), absl::InfiniteFuture());
}

TEST_F(SessionStoreTest, RefusesWhatTheMemoryOrTheLimitDoesNotHold) {
  for (int i = 0; i < 4; ++i) Create();
  const absl::Status no_memory = store_.Create(Spec(), false, kNow).status();
  EXPECT_EQ(ReasonOf(no_memory), ErrorReason::kNoFreeCache);
  EXPECT_EQ(RetryAfterOf(no_memory), absl::Seconds(3));
  EXPECT_THAT(std::string(no_memory.message()), testing::HasSubstr("10 tokens (160 bytes): 640 bytes are taken"));
  store_.Remove(store_.NextExpired(absl::InfiniteFuture()));
  EXPECT_NE(Create(), nullptr);
  SessionStore small(1, absl::Seconds(3), Transcript(), 0, &runner_, [this] { return bits_++; });
  EXPECT_TRUE(small.Create(Spec(), false, kNow).ok());
  EXPECT_EQ(ReasonOf(small.Create(Spec(), false, kNow).status()), ErrorReason::kNoFreeCache);
}

TEST_F(SessionStoreTest, ParkedMemoryHoldsMoreSessions) {
  SessionStore store(100, absl::Seconds(3), Transcript(), 30 * FakeModelRunner::kRowBytes, &runner_,
                     [this] { return bits_++; });
  int sessions = 0;
  while (store.Create(Spec(), false, kNow).ok()) ++sessions;
  EXPECT_EQ(sessions, 4 + 3 - 1);
}

TEST_F(SessionStoreTest, AHiddenSessionIsNotThere) {
  LiveSession* fork = Create();
  fork->unborn = true;
  store_.UpdateExpiry(fork, kNow);
  EXPECT_EQ(store_.Find(fork->id), nullptr);
  EXPECT_THAT(store_.List({.page_size = 10, .page_token = "", .state = {}}, kNow).sessions, IsEmpty());
  EXPECT_EQ(store_.next_expiry(), absl::InfiniteFuture());
}

TEST_F(SessionStoreTest, ExpiresIdleSessionsInOrder) {
  LiveSession* late = Create(absl::Hours(2));
  LiveSession* early = Create(absl::Hours(1));
  EXPECT_EQ(store_.next_expiry(), kNow + absl::Hours(1));
  EXPECT_EQ(store_.NextExpired(kNow + absl::Hours(1) - absl::Nanoseconds(1)), nullptr);
  EXPECT_EQ(store_.NextExpired(kNow + absl::Hours(1)), early);
  early->leased = true;
  store_.UpdateExpiry(early, kNow);
  EXPECT_EQ(store_.NextExpired(kNow + absl::Hours(3)), late);
  early->leased = false;
  store_.UpdateExpiry(early, kNow + absl::Minutes(30));
  EXPECT_EQ(store_.next_expiry(), kNow + absl::Minutes(90)) << "its idle time starts with its turn's end";
  late->waiting_turns = 1;
  store_.UpdateExpiry(late, kNow);
  store_.Remove(early);
  EXPECT_EQ(store_.next_expiry(), absl::InfiniteFuture());
}

TEST_F(SessionStoreTest, ListsPageByPage) {
  for (int i = 0; i < 4; ++i) Create();
  const auto ids = [](const SessionPage& page) {
    std::vector<std::string> found;
    for (const SessionSummary& session : page.sessions)
      found.push_back(session.id.substr(15, 1) + session.id.substr(31));
    return found;
  };
  SessionPage page = store_.List({.page_size = 3, .page_token = "", .state = std::nullopt}, kNow);
  EXPECT_THAT(ids(page), ElementsAre("01", "23", "45"));
  page = store_.List({.page_size = 3, .page_token = page.next_page_token, .state = std::nullopt}, kNow);
  EXPECT_THAT(ids(page), ElementsAre("67"));
  EXPECT_EQ(page.next_page_token, "");
  page = store_.List({.page_size = 4, .page_token = "", .state = std::nullopt}, kNow);
  EXPECT_EQ(page.next_page_token, "") << "nothing follows";

  store_.Find("00000000000000020000000000000003")->leased = true;
  store_.Find("00000000000000040000000000000005")->waiting_turns = 1;
  store_.Find("00000000000000060000000000000007")->deleted = true;
  const auto in_state = [&](SessionState state) {
    return ids(store_.List({.page_size = 1, .page_token = "", .state = state}, kNow));
  };
  EXPECT_THAT(in_state(SessionState::kIdle), ElementsAre("01"));
  EXPECT_THAT(in_state(SessionState::kRunning), ElementsAre("23"));
  EXPECT_THAT(in_state(SessionState::kWaiting), ElementsAre("45"));
  EXPECT_EQ(store_.List({.page_size = 1, .page_token = "", .state = SessionState::kIdle}, kNow).next_page_token, "");
}

}  // namespace
}  // namespace perennial
