#include "client/command/chat_screen.h"

#include "gtest/gtest.h"

namespace perennial {
namespace {

constexpr Console kTerminal{.in_is_terminal = true, .out_is_terminal = true, .err_is_terminal = true};
constexpr Console kPlainTerminal{
    .in_is_terminal = true, .out_is_terminal = true, .err_is_terminal = true, .colours = false};
constexpr Console kPipe{};

struct Printed {
  std::string out, err;
};

// What all kinds of lines print.
Printed PrintAll(const ChatScreen& screen) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  screen.Notice("notice\033");
  screen.Answer("answer\n");
  screen.Status("status");
  screen.Warn("warning");
  Printed printed;
  printed.out = testing::internal::GetCapturedStdout();
  printed.err = testing::internal::GetCapturedStderr();
  return printed;
}

TEST(ChatScreenTest, APersonSeesEverything) {
  const Printed printed = PrintAll(ChatScreen(kPlainTerminal, /*show_status=*/true));
  EXPECT_EQ(printed.out, "notice\xEF\xBF\xBD\nanswer\nstatus\n\nNote: warning\n");
  EXPECT_EQ(printed.err, "");
}

TEST(ChatScreenTest, ColoursOnlyWhereTheyAreShown) {
  const Printed printed = PrintAll(ChatScreen(kTerminal, false));
  EXPECT_EQ(printed.out, "\033[2mnotice\xEF\xBF\xBD\033[0m\n\033[2manswer\n\033[0m\033[33mNote: warning\033[0m\n");
}

TEST(ChatScreenTest, AtAPipeOnlyAnswersAreOutput) {
  const Printed printed = PrintAll(ChatScreen(kPipe, /*show_status=*/true));
  EXPECT_EQ(printed.out, "answer\n");
  EXPECT_EQ(printed.err, "status\nperennial: note: warning\n");
}

}  // namespace
}  // namespace perennial
