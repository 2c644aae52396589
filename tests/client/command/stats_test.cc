#include <signal.h>

#include "nlohmann/json.hpp"
#include "tests/client/command/command_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

using StatsTest = CommandTest;

TEST_F(StatsTest, ShowsSections) {
  const ChildResult result = Run({"stats"});
  EXPECT_EQ(result.exit_code, 0);
  for (const char* line : {"Sessions\n", "Parked\n", "Turns\n", "Tokens\n", "Steps\n", "forgotten  1,234,567\n"}) {
    EXPECT_THAT(result.out, HasSubstr(line));
  }
}

TEST_F(StatsTest, PrintsOneJsonObject) {
  EXPECT_EQ(nlohmann::json::parse(Run({"stats", "--json"}).out)["evicted_tokens"], 1234567);
}

TEST_F(StatsTest, WatchesUntilCtrlC) {
  ChildProcess child(Arguments({"stats", "--watch=100ms"}), ChildProcess::Streams::kPipes);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(child.WaitFor("1,234,567"));
  child.Signal(SIGINT);
  EXPECT_EQ(child.Wait().exit_code, 0);
}

TEST_F(StatsTest, WatchesNoLongerThanItsReader) {
  ChildProcess child(Arguments({"stats", "--watch=100ms"}), ChildProcess::Streams::kPipes);
  EXPECT_TRUE(child.WaitFor("1,234,567"));
  child.CloseOutput();
  EXPECT_EQ(child.Wait().exit_code, 141);
}

TEST_F(StatsTest, WrongUsageIsExitCodeTwo) {
  EXPECT_EQ(Run({"stats", "all"}).exit_code, 2);
  EXPECT_EQ(Run({"stats", "--watch=1ms"}).exit_code, 2);
  EXPECT_EQ(Run({"stats", "--watch=1s", "--json"}).exit_code, 2);
}

}  // namespace
}  // namespace perennial
