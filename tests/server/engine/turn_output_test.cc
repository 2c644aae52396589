#include "server/engine/turn_output.h"

#include <utility>

#include "gtest/gtest.h"
#include "tests/recording_turn_sink.h"

namespace perennial {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1000);

TEST(TurnOutputTest, NumbersEventsFromOneAndRepeatsForHeartbeats) {
  RecordingTurnSink sink;
  TurnOutput output(&sink, kNow);
  output.SendHeartbeat({}, kNow);  // 0: there was none
  output.Send(TurnQueued{1}, kNow);
  output.Send(TurnQueued{0}, kNow);
  output.SendHeartbeat({}, kNow + absl::Seconds(1));
  EXPECT_EQ(output.sequence(), 2);
  EXPECT_EQ(output.last_sent(), kNow + absl::Seconds(1));
  output.Finish({});
  EXPECT_EQ(sink.events().size(), 4u);
  EXPECT_EQ(sink.result().sequence, 3);
}

TEST(TurnOutputTest, RemembersSinceWhenTheClientDoesNotRead) {
  RecordingTurnSink sink;
  TurnOutput output(&sink, kNow);
  output.PollReadiness(kNow);
  EXPECT_FALSE(output.paused());
  sink.SetReady(false);
  EXPECT_FALSE(output.paused()) << "as of the last poll";
  output.PollReadiness(kNow + absl::Seconds(1));
  output.PollReadiness(kNow + absl::Seconds(2));
  EXPECT_TRUE(output.paused());
  EXPECT_EQ(output.paused_since(), kNow + absl::Seconds(1));
  sink.SetReady(true);
  output.PollReadiness(kNow + absl::Seconds(3));
  EXPECT_FALSE(output.paused());
  output.Finish({});
}

TEST(TurnOutputTest, LetsTheSinkGoWithItsEnd) {
  auto sink = std::make_unique<RecordingTurnSink>();
  TurnOutput output(sink.get(), kNow);
  TurnOutput moved(std::move(output));
  moved.Send(TurnQueued{0}, kNow);
  moved.Finish({});
  sink.reset();
  EXPECT_EQ(moved.sequence(), 1);
}

TEST(TurnOutputDeathTest, EndsTheProcessIfATurnIsForgotten) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        RecordingTurnSink sink;
        TurnOutput output(&sink, kNow);
      },
      "check failed");
}

}  // namespace
}  // namespace perennial
