// A fake server in this process and the real `perennial` program beside it.

#ifndef PERENNIAL_TESTS_CLIENT_COMMAND_COMMAND_FIXTURE_H_
#define PERENNIAL_TESTS_CLIENT_COMMAND_COMMAND_FIXTURE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/command/child_process.h"
#include "tests/client/fake_chat_service.h"

namespace perennial {

class CommandTest : public testing::Test {
 protected:
  // PERENNIAL_COMMAND and PERENNIAL_FAKE_SERVER are the programs' paths, from CMake.
  std::vector<std::string> Arguments(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {PERENNIAL_COMMAND, absl::StrCat("--server=", server_.address())});
    return arguments;
  }

  ChildResult Run(const std::vector<std::string>& arguments, absl::string_view input = "",
                  const std::map<std::string, std::string>& environment = {}) const {
    return RunChild(Arguments(arguments), input, environment);
  }

  FakeChatService& service() { return server_.service(); }
  const std::string& address() const { return server_.address(); }

 private:
  FakeChatServer server_;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_CLIENT_COMMAND_COMMAND_FIXTURE_H_
