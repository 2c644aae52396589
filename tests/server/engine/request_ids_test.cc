#include "server/engine/request_ids.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "server/engine/error.h"
#include "tests/recording_turn_sink.h"

namespace perennial {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1000);
constexpr absl::Duration kTtl = absl::Minutes(5);
const RequestTag kTag = {.id = "id", .fingerprint = 1};

TEST(RequestIdsTest, KnowsARequestByScopeIdAndFingerprint) {
  RequestIds ids(10, kTtl, absl::Seconds(1));
  EXPECT_EQ(*ids.Find("scope", kTag), nullptr);
  ids.Begin("scope", kTag, "session");
  EXPECT_EQ(std::get<std::string>(**ids.Find("scope", kTag)), "session");
  EXPECT_EQ(*ids.Find("other scope", kTag), nullptr);
  EXPECT_EQ(*ids.Find("scope", {.id = "other id", .fingerprint = 1}), nullptr);
  EXPECT_EQ(ReasonOf(ids.Find("scope", {.id = "id", .fingerprint = 2}).status()), ErrorReason::kRequestIdReused);
}

TEST(RequestIdsTest, WithoutAnIdEveryRequestIsNew) {
  RequestIds ids(1, kTtl, absl::Seconds(1));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(*ids.Find("scope", {}), nullptr);
    ids.Begin("scope", {}, "session");
  }
  EXPECT_EQ(ids.size(), 0);
}

TEST(RequestIdsTest, RemembersForItsTimeFromTheEndOn) {
  RequestIds ids(10, kTtl, absl::Seconds(1));
  ids.Begin("scope", kTag, "session");
  EXPECT_EQ(ids.next_expiry(), absl::InfiniteFuture()) << "not over";
  ids.Expire(absl::InfiniteFuture() - absl::Hours(1));
  ids.End("scope", "id", kNow);
  ids.End("scope", "id", kNow + absl::Minutes(1));  // changes nothing
  EXPECT_EQ(ids.next_expiry(), kNow + kTtl);
  ids.Expire(kNow + kTtl - absl::Nanoseconds(1));
  EXPECT_NE(*ids.Find("scope", kTag), nullptr);
  ids.Expire(kNow + kTtl);
  EXPECT_EQ(*ids.Find("scope", kTag), nullptr);
  EXPECT_EQ(ids.next_expiry(), absl::InfiniteFuture());
}

TEST(RequestIdsTest, RefusesNewIdsRatherThanForgetOnes) {
  RequestIds ids(2, kTtl, absl::Seconds(3));
  ids.Begin("scope", {.id = "a"}, "session");
  ids.Begin("scope", {.id = "b"}, "session");
  const absl::Status full = ids.Find("scope", {.id = "c"}).status();
  EXPECT_EQ(ReasonOf(full), ErrorReason::kQueueFull);
  EXPECT_EQ(RetryAfterOf(full), absl::Seconds(3));
  EXPECT_NE(*ids.Find("scope", {.id = "a"}), nullptr) << "a retry still finds its own";
  ids.Forget("scope", "a");
  EXPECT_EQ(*ids.Find("scope", {.id = "c"}), nullptr);
}

TEST(RequestIdsTest, ForgetsAScope) {
  RequestIds ids(10, kTtl, absl::Seconds(1));
  ids.Begin("a", {.id = "1"}, "session");
  ids.End("a", "1", kNow);
  ids.Begin("a", {.id = "2"}, "session");
  ids.Begin("aa", {.id = "1"}, "session");
  ids.ForgetScope("a");
  EXPECT_EQ(ids.size(), 1);
  EXPECT_NE(*ids.Find("aa", {.id = "1"}), nullptr);
  EXPECT_EQ(ids.next_expiry(), absl::InfiniteFuture());
}

TEST(RequestIdsTest, FindsATurnWhateverItsFingerprint) {
  const EngineOptions options;
  RecordingTurnSink sink;
  const auto turn = std::make_shared<TurnRecord>(TurnReader(&sink), OnDisconnect::kCancel, &options, kNow);
  RequestIds ids(10, kTtl, absl::Seconds(1));
  ids.Begin("scope", kTag, turn);
  ids.Begin("scope", {.id = "session"}, "session");
  EXPECT_EQ(ids.FindTurn("scope", "id"), turn);
  EXPECT_EQ(ids.FindTurn("scope", "session"), nullptr);
  EXPECT_EQ(ids.FindTurn("scope", "unknown"), nullptr);
  turn->Finish({});
}

}  // namespace
}  // namespace perennial
