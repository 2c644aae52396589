#include "client/command/format.h"

#include "gtest/gtest.h"
#include "tests/client/fake_chat_service.h"

namespace perennial {
namespace {

TEST(FormatTest, CountsHaveSeparators) {
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(999), "999");
  EXPECT_EQ(CountText(1000), "1,000");
  EXPECT_EQ(CountText(1234567), "1,234,567");
  EXPECT_EQ(CountText(-1234), "-1,234");
  EXPECT_EQ(CountText(-123), "-123");
  EXPECT_EQ(CountText(1, "token", "tokens"), "1 token");
  EXPECT_EQ(CountText(0, "token", "tokens"), "0 tokens");
}

TEST(FormatTest, BytesHaveUnits) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1024), "1 KiB");
  EXPECT_EQ(BytesText(1610612736), "1.5 GiB");
}

TEST(FormatTest, DurationsAreShort) {
  EXPECT_EQ(RoughDuration(absl::Seconds(-5)), "0s");
  EXPECT_EQ(RoughDuration(absl::Seconds(59)), "59s");
  EXPECT_EQ(RoughDuration(absl::Seconds(60)), "1m");
  EXPECT_EQ(RoughDuration(absl::Minutes(185)), "3h 5m");
  EXPECT_EQ(RoughDuration(absl::Hours(24)), "1d");
  EXPECT_EQ(RoughDuration(absl::Hours(52)), "2d 4h");
  EXPECT_EQ(FineDuration(absl::Microseconds(412)), "412 µs");
  EXPECT_EQ(FineDuration(absl::Microseconds(37200)), "37.2 ms");
  EXPECT_EQ(FineDuration(absl::Milliseconds(1240)), "1.24 s");
  EXPECT_EQ(FineDuration(absl::Minutes(3)), "3m");
}

TEST(FormatTest, ProtoDurationsGoBothWays) {
  for (const absl::Duration duration :
       {absl::ZeroDuration(), absl::Nanoseconds(1), absl::Milliseconds(90500), absl::Hours(720)}) {
    EXPECT_EQ(FromProto(ToProto(duration)), duration);
  }
}

TEST(FormatTest, TurnsAreNamed) {
  EXPECT_EQ(TurnsText(0, 0), "the opening");
  EXPECT_EQ(TurnsText(0, 1), "the opening and turn 1");
  EXPECT_EQ(TurnsText(0, 3), "the opening and turns 1–3");
  EXPECT_EQ(TurnsText(2, 2), "turn 2");
  EXPECT_EQ(TurnsText(1, 1200), "turns 1–1,200");
}

TEST(FormatTest, RatesOfNothingAreZero) {
  EXPECT_EQ(DecodeTokensPerSecond(11, absl::Seconds(2)), 5);
  EXPECT_EQ(DecodeTokensPerSecond(1, absl::Seconds(2)), 0);
  EXPECT_EQ(DecodeTokensPerSecond(11, absl::ZeroDuration()), 0);
  EXPECT_EQ(PrefillTokensPerSecond(20, absl::Milliseconds(500)), 40);
  EXPECT_EQ(PrefillTokensPerSecond(20, absl::ZeroDuration()), 0);
  EXPECT_EQ(PrefillTokensPerSecond(0, absl::Seconds(1)), 0);
}

TEST(FormatTest, MemorySaysWhichTurnsAreGone) {
  v1::SessionMemory memory;
  memory.set_stream_tokens(100);
  memory.set_visible_tokens(64);
  EXPECT_EQ(MemoryText(memory), "seen 100 · cached 64 · forgotten 0");
  memory.set_forgotten_tokens(36);
  memory.set_horizon_turn(1);
  EXPECT_EQ(MemoryText(memory), "seen 100 · cached 64 · forgotten 36") << "turn 1 is only cut";
  memory.set_horizon_turn(2);
  EXPECT_EQ(MemoryText(memory), "seen 100 · cached 64 · forgotten 36 (through turn 1)");
}

TEST(FormatTest, TheStatusLineSaysHowTheReplyEnded) {
  EXPECT_EQ(StatusLine(ForgetfulFinishedEvent().finished()),
            "11 tokens, 5.0/s · first after 750.0 ms · seen 5,120 · cached 512 · forgotten 4,608 (through turn 11)");
  EXPECT_EQ(StatusLine(FinishedEvent(v1::FINISH_REASON_MAX_TOKENS).finished()),
            "11 tokens, 5.0/s · first after 750.0 ms · cut at max_tokens · seen 31 · cached 30 · forgotten 0");
  v1::Finished stopped = FinishedEvent(v1::FINISH_REASON_STOP).finished();
  stopped.set_stop("END");
  stopped.clear_timing();
  EXPECT_EQ(StatusLine(stopped), "11 tokens · stopped at \"END\" · seen 31 · cached 30 · forgotten 0");
  EXPECT_EQ(StatusLine(stopped, 1),
            "11 tokens · stopped at \"END\" · connected again · seen 31 · cached 30 · forgotten 0");
  EXPECT_EQ(StatusLine(stopped, 2),
            "11 tokens · stopped at \"END\" · connected again 2 times · seen 31 · cached 30 · forgotten 0");
}

TEST(FormatTest, EveryEndThatIsNotTheModelsHasAText) {
  v1::Finished finished;
  finished.mutable_repetition()->set_period_tokens(3);
  finished.mutable_repetition()->set_times(40);
  for (int reason = v1::FinishReason_MIN; reason <= v1::FinishReason_MAX; ++reason) {
    finished.set_reason(static_cast<v1::FinishReason>(reason));
    const bool by_itself = reason == v1::FINISH_REASON_UNSPECIFIED || reason == v1::FINISH_REASON_END_OF_TURN;
    EXPECT_EQ(FinishText(finished).empty(), by_itself) << reason;
  }
  finished.set_reason(v1::FINISH_REASON_REPETITION);
  EXPECT_EQ(FinishText(finished), "ended: it repeated 3 tokens 40 times");
}

TEST(FormatTest, TablesAlignByCharacters) {
  EXPECT_EQ(Table({{"NAME", "N"}, {"ü", "12"}, {"–", "3"}}, {false, true}),
            "NAME   N\n"
            "ü     12\n"
            "–      3\n");
  EXPECT_EQ(Fields({{"a", "1"}, {"long", "2"}}), "  a     1\n  long  2\n");
}

}  // namespace
}  // namespace perennial
