#include "nlohmann/json.hpp"
#include "tests/client/command/command_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

using ModelTest = CommandTest;

TEST_F(ModelTest, ShowsModelDefaultsAndLimits) {
  const ChildResult result = Run({"model"});
  EXPECT_EQ(result.exit_code, 0);
  for (const char* text : {"fake-model", "(API revision 3)", "temperature 0.25", "max_idle_timeout       1d\n"}) {
    EXPECT_THAT(result.out, HasSubstr(text));
  }
}

TEST_F(ModelTest, PrintsOneJsonObject) {
  const auto json = nlohmann::json::parse(Run({"model", "--json"}).out);
  EXPECT_EQ(json["trained_tokens"], 8192);
  EXPECT_EQ(json["limits"]["max_idle_timeout_seconds"], 86400.0);
}

TEST_F(ModelTest, TakesNoArguments) { EXPECT_EQ(Run({"model", "x"}).exit_code, 2); }

}  // namespace
}  // namespace perennial
