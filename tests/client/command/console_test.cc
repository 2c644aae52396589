#include "client/command/console.h"

#include <stdlib.h>

#include "gtest/gtest.h"

namespace perennial {
namespace {

TEST(ConsoleTest, ColoursAreOffForThoseWhoDoNotWantThem) {
  unsetenv("NO_COLOR");
  setenv("TERM", "xterm", 1);
  EXPECT_TRUE(Console::FromProcess().colours);
  setenv("NO_COLOR", "", 1);
  EXPECT_TRUE(Console::FromProcess().colours) << "empty counts as unset";
  setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(Console::FromProcess().colours);
  EXPECT_TRUE(Console::FromProcess().moves_cursor) << "NO_COLOR is about colours only";
  unsetenv("NO_COLOR");
  for (const char* terminal : {"dumb", ""}) {
    setenv("TERM", terminal, 1);
    EXPECT_FALSE(Console::FromProcess().colours);
    EXPECT_FALSE(Console::FromProcess().moves_cursor);
  }
}

TEST(ConsoleTest, APersonNeedsBothEnds) {
  EXPECT_TRUE((Console{.in_is_terminal = true, .out_is_terminal = true}).interactive());
  EXPECT_FALSE((Console{.in_is_terminal = true, .out_is_terminal = false}).interactive());
  EXPECT_FALSE((Console{.in_is_terminal = false, .out_is_terminal = true}).interactive());
}

TEST(ConsoleTest, StylesEndWhereTheyBegan) {
  EXPECT_EQ(Styled("x", Style::kError, true), "\033[31mx\033[0m");
  EXPECT_EQ(Styled("x", Style::kError, false), "x");
  EXPECT_EQ(Styled("x", Style::kPlain, true), "x");
  EXPECT_EQ(Styled("", Style::kDim, true), "");
}

TEST(ConsoleTest, ErrorsAreOneLineOnStandardError) {
  testing::internal::CaptureStderr();
  ReportError("went wrong", {});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "perennial: went wrong\n");
  testing::internal::CaptureStderr();
  ReportError("a\033[2Jb", {.err_is_terminal = true, .colours = true});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "\033[31mperennial: a\xEF\xBF\xBD[2Jb\033[0m\n");
}

}  // namespace
}  // namespace perennial
