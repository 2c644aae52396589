#include "client/command/reply_printer.h"

#include "absl/strings/match.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "tests/client/fake_chat_service.h"

namespace perennial {
namespace {

constexpr Console kTerminal{.in_is_terminal = true, .out_is_terminal = true, .err_is_terminal = true, .colours = false};
constexpr Console kPipe{};

struct Printed {
  std::string out, err;
};

// What a turn of these events prints.
Printed Print(ReplyPrinter& printer, const std::vector<v1::TurnEvent>& events) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  for (const v1::TurnEvent& event : events) printer.OnEvent(event);
  printer.End();
  Printed printed;
  printed.out = testing::internal::GetCapturedStdout();
  printed.err = testing::internal::GetCapturedStderr();
  return printed;
}

v1::TurnEvent HeartbeatEvent(int32_t position, int64_t fed, int64_t prompt) {
  v1::TurnEvent event;
  event.mutable_heartbeat()->set_queue_position(position);
  event.mutable_heartbeat()->set_prompt_tokens_fed(fed);
  event.mutable_heartbeat()->set_prompt_tokens(prompt);
  return event;
}

TEST(ReplyPrinterTest, EndsTheTextWithOneLineFeed) {
  ReplyPrinter open(kPipe, ReplyShown::kText), closed(kPipe, ReplyShown::kText), empty(kPipe, ReplyShown::kText);
  EXPECT_EQ(Print(open, {DeltaEvent("a"), DeltaEvent("b")}).out, "ab\n");
  EXPECT_EQ(Print(closed, {DeltaEvent("ab\n")}).out, "ab\n");
  EXPECT_EQ(Print(empty, {StartedEvent(1)}).out, "");
}

TEST(ReplyPrinterTest, CollectsWhatATurnTold) {
  ReplyPrinter printer(kPipe, ReplyShown::kNothing);
  v1::TurnEvent started = StartedEvent(20);
  started.set_session_id("beef");
  const Printed printed = Print(printer, {QueuedEvent(2), started, EvictedEvent(1, 2), DeltaEvent("a"),
                                          EvictedEvent(3, 5), DeltaEvent("b"), v1::TurnEvent(), FinishedEvent()});
  EXPECT_EQ(printed.out + printed.err, "") << "quiet";
  EXPECT_EQ(printer.text(), "ab");
  EXPECT_EQ(printer.session_id(), "beef");
  EXPECT_EQ(printer.prompt_tokens(), 20);
  ASSERT_TRUE(printer.evicted().has_value());
  EXPECT_EQ(printer.evicted()->first_turn(), 1);
  EXPECT_EQ(printer.evicted()->last_turn(), 5);
}

TEST(ReplyPrinterTest, ShowsProgressAtATerminalAndErasesIt) {
  ReplyPrinter printer(kTerminal, ReplyShown::kText);
  const Printed printed = Print(printer, {HeartbeatEvent(1, 0, 0), StartedEvent(200), HeartbeatEvent(0, 50, 200),
                                          DeltaEvent("a"), HeartbeatEvent(0, 200, 200)});
  EXPECT_EQ(printed.err, "\r\033[K… waiting for 1 turn\r\033[K\r\033[K… reading the prompt, 25 %\r\033[K");
  EXPECT_EQ(printed.out, "a\n");

  ReplyPrinter piped(kPipe, ReplyShown::kText);
  EXPECT_EQ(Print(piped, {QueuedEvent(3), HeartbeatEvent(0, 50, 200), DeltaEvent("a")}).err, "");
}

TEST(ReplyPrinterTest, MemoryLinesStandBetweenTheLinesOfTheText) {
  ReplyPrinter printer(kTerminal, ReplyShown::kTextAndMemory);
  EXPECT_EQ(Print(printer, {WillEvictEvent(9, 1, 1), DeltaEvent("a"), WillEvictEvent(5, 2, 2), EvictedEvent(1, 2),
                            DeltaEvent("b\nc"), EvictedEvent(3, 3), WillEvictEvent(7, 4, 4)})
                .out,
            "── 9 more tokens, and turn 1 is forgotten; /note keeps what must stay ──\n"
            "ab\n── memory now begins at turn 3 ──\nc\n── memory now begins at turn 4 ──\n"
            "── 7 more tokens, and turn 4 is forgotten; /note keeps what must stay ──\n");
  EXPECT_EQ(printer.text(), "ab\nc");
  ReplyPrinter text_only(kTerminal, ReplyShown::kText);
  EXPECT_EQ(Print(text_only, {EvictedEvent(1, 2), DeltaEvent("a\nb")}).out, "a\nb\n");
}

TEST(ReplyPrinterTest, ALossIsToldOnceAndErased) {
  ReplyPrinter printer(kTerminal, ReplyShown::kText);
  testing::internal::CaptureStdout();
  printer.OnEvent(DeltaEvent("a"));
  printer.OnLost(absl::UnavailableError(""), absl::Seconds(1));
  printer.OnLost(absl::UnavailableError(""), absl::Seconds(2));
  printer.OnFound();
  printer.OnEvent(DeltaEvent("b"));
  printer.End();
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "a\033D\033[A\0337\r\n── the connection was lost; trying to go on … ──\0338\033[Jb\n");
  EXPECT_EQ(printer.reconnects(), 1);
}

TEST(ReplyPrinterTest, AFullServerIsTellingWhatIsFull) {
  absl::Status full = absl::ResourceExhaustedError("the turn has 4 readers");
  google::rpc::ErrorInfo reason;
  reason.set_domain("perennial");
  reason.set_reason("QUEUE_FULL");
  full.SetPayload("type.googleapis.com/google.rpc.ErrorInfo", absl::Cord(reason.SerializeAsString()));
  ReplyPrinter printer(kPipe, ReplyShown::kText);
  testing::internal::CaptureStderr();
  printer.OnLost(full, absl::Seconds(1));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "perennial: the turn has 4 readers; trying again …\n");
}

TEST(ReplyPrinterTest, ALossForGoodIsErasedAtTheEnd) {
  ReplyPrinter printer(kTerminal, ReplyShown::kText);
  testing::internal::CaptureStdout();
  printer.OnLost(absl::UnavailableError(""), absl::Seconds(1));
  printer.End();
  EXPECT_TRUE(absl::EndsWith(testing::internal::GetCapturedStdout(), "\0338\033[J"));
}

TEST(ReplyPrinterTest, WarnsOfAShutdown) {
  v1::TurnEvent go_away;
  go_away.mutable_go_away()->mutable_time_left()->set_seconds(8);
  ReplyPrinter printer(kPipe, ReplyShown::kText);
  EXPECT_EQ(Print(printer, {DeltaEvent("a"), go_away}).err, "\nperennial: the server shuts down in 8s\n");
}

TEST(ReplyPrinterTest, AFileGetsTheTextAsItIs) {
  ReplyPrinter printer(kPipe, ReplyShown::kText);
  EXPECT_EQ(Print(printer, {DeltaEvent("a\033b")}).out, "a\033b\n");
}

TEST(ReplyPrinterTest, TheNoticeNamesTheTurns) {
  const v1::SessionMemory memory = ForgetfulFinishedEvent().finished().memory();
  EXPECT_EQ(
      ForgettingNotice(EvictedEvent(0, 2).evicted(), memory),
      "the cache is full: the model can no longer read all of the opening and turns 1–2. Its oldest tokens go as new "
      "ones come.");
  v1::SessionMemory within_first_turn;
  within_first_turn.set_forgotten_tokens(5);
  within_first_turn.set_horizon_turn(1);
  EXPECT_EQ(ForgettingNotice(std::nullopt, within_first_turn),
            "the cache is full: the model can no longer read all of turn 1. Its oldest tokens go as new ones come.");
}

}  // namespace
}  // namespace perennial
