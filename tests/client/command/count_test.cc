#include "nlohmann/json.hpp"
#include "tests/client/command/command_fixture.h"

namespace perennial {
namespace {

using CountTest = CommandTest;

TEST_F(CountTest, CountsTextAsItStands) {  // the fake has a token for each byte
  EXPECT_EQ(Run({"count", "Hello"}).out, "5\n");
  EXPECT_EQ(Run({"count"}, "from a pipe\n").out, "11\n");
  EXPECT_EQ(nlohmann::json::parse(Run({"count", "--json", "Hello"}).out), nlohmann::json({{"tokens", 5}}));
}

TEST_F(CountTest, CountsMessagesWithTheTemplate) {  // and ten more for each message
  EXPECT_EQ(Run({"count", "--message", "Hello"}).out, "15\n");
  EXPECT_EQ(Run({"count", "--system=abc", "Hello"}).out, "28\n");
}

TEST_F(CountTest, RefusesTextThatIsNotUtf8) { EXPECT_EQ(Run({"count", "-"}, "\xff").exit_code, 2); }

}  // namespace
}  // namespace perennial
