#include "client/command/input.h"

#include "gtest/gtest.h"
#include "tests/client/command/command_fixture.h"

namespace perennial {
namespace {

using InputTest = CommandTest;

TEST_F(InputTest, WordsAreJoined) { EXPECT_EQ(TextFromArguments({"one", "two  three"}), "one two  three"); }

TEST_F(InputTest, StandardInputStandsOnLinesOfItsOwn) {
  EXPECT_EQ(Run({"ask", "before", "-", "after"}, "a\nb\n\n").out, "echo: before\na\nb\nafter\n");
}

TEST_F(InputTest, LongInputArrivesWhole) {
  const std::string text(300'000, 'x');
  EXPECT_EQ(Run({"count"}, text + "\r\n").out, "300000\n");
}

}  // namespace
}  // namespace perennial
