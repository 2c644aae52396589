#include "server/engine/live_session.h"

#include <memory>

#include "gtest/gtest.h"
#include "tests/fake_model_runner.h"

namespace perennial {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1000);

class LiveSessionTest : public testing::Test {
 protected:
  FakeModelRunner runner_;
  SessionSpec spec_ = {.shape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 10},
                       .opening = {1, 2, 3},
                       .idle_timeout = absl::Hours(1),
                       .route = "r",
                       .labels = {{"k", "v"}}};
  LiveSession session_{"id", spec_, Transcript(), runner_.CacheBytes(spec_.shape), /*is_ephemeral=*/false, kNow};
};

TEST_F(LiveSessionTest, StartsWithItsOpeningUnfed) {
  EXPECT_EQ(session_.unfed, spec_.opening);
  const SessionMemory memory = session_.Memory();
  EXPECT_EQ(memory.stream_tokens, 3);
  EXPECT_EQ(memory.visible_tokens, 0);
  EXPECT_EQ(memory.forgotten_tokens, 0);
  EXPECT_EQ(memory.sink_tokens, 4);
  EXPECT_EQ(memory.window_tokens, 10);
}

TEST_F(LiveSessionTest, TellsWhatCanStillBeRead) {
  session_.window.Advance(30);
  session_.turn_starts.Add(1, 3);
  session_.turn_starts.Add(2, 18);
  session_.turn_starts.Add(3, 25);
  const SessionMemory memory = session_.Memory();
  EXPECT_EQ(memory.visible_tokens, 14);
  EXPECT_EQ(memory.horizon_token, 20);
  EXPECT_EQ(memory.forgotten_tokens, 16);
  EXPECT_EQ(memory.horizon_turn, 2);
}

TEST_F(LiveSessionTest, DescribesItself) {
  session_.expires = kNow + absl::Hours(1);
  SessionSummary seen = session_.Describe(kNow);
  EXPECT_EQ(seen.id, "id");
  EXPECT_EQ(seen.state, SessionState::kIdle);
  EXPECT_EQ(seen.created, kNow);
  EXPECT_EQ(seen.expires, kNow + absl::Hours(1));
  EXPECT_EQ(seen.route, "r");
  EXPECT_EQ(seen.labels, spec_.labels);
  EXPECT_EQ(seen.cache_bytes, 14 * FakeModelRunner::kRowBytes);
  session_.waiting_turns = 1;
  EXPECT_EQ(session_.Describe(kNow).state, SessionState::kWaiting);
  session_.leased = true;
  seen = session_.Describe(kNow + absl::Minutes(5));
  EXPECT_EQ(seen.state, SessionState::kRunning);
  EXPECT_EQ(seen.expires, kNow + absl::Minutes(65)) << "if the turn ended now";
}

}  // namespace
}  // namespace perennial
