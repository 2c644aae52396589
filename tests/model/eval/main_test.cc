// The program itself, as a process: what it says when it is called wrongly, and how it ends.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

namespace perennial {
namespace {

using ::testing::HasSubstr;

struct Ending {
  int code = -1;
  std::string output;  // both streams
};

Ending RunEval(const std::string& arguments) {
  Ending ending;
  FILE* pipe = popen((std::string(PERENNIAL_EVAL_PROGRAM " ") + arguments + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return ending;
  char buffer[4096];
  for (size_t count; (count = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) ending.output.append(buffer, count);
  const int status = pclose(pipe);
  ending.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ending;
}

TEST(EvalProgramTest, HelpTeaches) {
  const Ending help = RunEval("--help");
  EXPECT_THAT(help.output, HasSubstr("perennial-eval perplexity --model=PATH --text=FILE"));
  for (const char* flag :
       {"--model", "--text", "--tokens", "--sink_tokens", "--cache_tokens", "--attention", "--json"}) {
    EXPECT_THAT(help.output, HasSubstr(flag));
  }
}

TEST(EvalProgramTest, SaysWhichArgumentIsWrong) {
  const auto expect = [](const std::string& arguments, int code, const std::string& text) {
    const Ending ending = RunEval(arguments);
    EXPECT_EQ(ending.code, code) << ending.output;
    EXPECT_THAT(ending.output, HasSubstr(text));
  };
  expect("", 2, "say what to measure");
  expect("perplexitty", 2, "say what to measure");
  expect("perplexity --text=x", 2, "--model is missing");
  expect("perplexity --model=x", 2, "--text is missing");
  expect("perplexity --model=x --text=x --attention=none", 2, "attention is \"none\"");
  expect("perplexity --model=x --text=x --sink_tokens=9 --cache_tokens=8", 2, "sink_tokens is 9");
  expect("perplexity --model=/no/such/model.gguf --text=x", 1, "/no/such/model.gguf");
  expect("perplexity --no_such_flag", 1, "no_such_flag");
}

}  // namespace
}  // namespace perennial
