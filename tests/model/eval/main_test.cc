// The program itself, as a process: what it says when it is called wrongly, and how it ends.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

namespace perennial {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

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

TEST(EvalProgramTest, HelpListsTheModes) {
  const Ending help = RunEval("--help");
  EXPECT_EQ(help.code, 0);
  for (const char* mode : {"perplexity", "sinks", "cache-size", "advise", "length", "speed", "recall", "qa"}) {
    EXPECT_THAT(help.output, HasSubstr(std::string("  ") + mode + " "));
  }
}

TEST(EvalProgramTest, EveryModeExplainsItself) {
  const Ending help = RunEval("perplexity --help");
  EXPECT_EQ(help.code, 0);
  for (const char* flag :
       {"--model", "--text", "--tokens", "--sink_tokens", "--cache_tokens", "--attention", "--json"}) {
    EXPECT_THAT(help.output, HasSubstr(flag));
  }
  EXPECT_THAT(help.output, HasSubstr("perennial-eval perplexity --model=model.gguf --text=book.txt"));
  EXPECT_THAT(help.output, Not(HasSubstr("--cache_sizes")));
  EXPECT_THAT(RunEval("length --help").output, HasSubstr("--time_at=10000,100000,1000000,4000000"));
  EXPECT_THAT(RunEval("length --help").output, HasSubstr("--chunk_tokens=512")) << "a default of its own";
}

TEST(EvalProgramTest, SaysWhichArgumentIsWrong) {
  const auto expect = [](const std::string& arguments, int code, const std::string& text) {
    const Ending ending = RunEval(arguments);
    EXPECT_EQ(ending.code, code) << ending.output;
    EXPECT_THAT(ending.output, HasSubstr(text)) << arguments;
  };
  expect("", 2, "say what to measure");
  expect("perplexitty", 2, "say what to measure");
  expect("perplexity --text=x", 2, "--model is missing");
  expect("perplexity --model=x", 2, "--text is missing");
  expect("perplexity --model=x --text=x more", 2, "\"more\" is no flag");
  expect("perplexity --model=x --text=x --cache_sizes=3", 2, "--cache_sizes is no flag of perplexity");
  expect("perplexity --model=x --text=x --attention=none", 2, "attention is \"none\"");
  expect("perplexity --model=x --text=x --eviction=none", 2, "eviction is \"none\"");
  expect("perplexity --model=x --text=x --sink_tokens=9 --cache_tokens=8", 2, "sink_tokens is 9");
  expect("perplexity --model=/no/such/model.gguf --text=x", 1, "/no/such/model.gguf");
  expect("perplexity --no_such_flag", 1, "no_such_flag");
  expect("sinks --model=x --text=x --sink_counts=1,two", 2, "sink_counts has \"two\"");
  expect("cache-size --model=x --text=x --sink_tokens=4 --cache_sizes=4,8", 2, "sink_tokens is 4");
  expect("advise --model=x --text=x --cache_sizes=", 2, "cache_sizes");
  expect("length --model=x --text=x --time_at=soon", 2, "time_at has \"soon\"");
  expect("speed --model=x --text=x --sink_tokens=4 --cache_sizes=4", 2, "sink_tokens is 4");
  expect("recall --model=x --sink_tokens=4 --note_tokens=2000", 2, "note_tokens is 2000");
  expect("recall --cache_tokens=100", 2, "--model is missing");
  expect("qa --model=x", 2, "--questions is missing");
}

}  // namespace
}  // namespace perennial
