// Linked with an engine that has one planted bug: the simulation must find it. See planted_bugs/README.md.

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <iostream>
#include <string>

#include "gtest/gtest.h"
#include "tests/simulation/chaos_simulation.h"

namespace perennial {
namespace {

constexpr uint64_t kSeeds = 200;
constexpr unsigned kMostSeconds = 100;  // a bug may make the engine spin for ever: found, too

// What the child process has printed, the beginning.
std::string Beginning(std::FILE* output) {
  std::rewind(output);
  std::string text(2000, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), output));
  return text;
}

TEST(PlantedBugTest, PLANTED_BUG) {
  // In a process of its own: the engine may find the bug itself and abort.
  auto* seed = static_cast<uint64_t*>(
      mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(seed, MAP_FAILED);
  std::FILE* const output = std::tmpfile();
  ASSERT_NE(output, nullptr);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    dup2(fileno(output), STDOUT_FILENO);
    dup2(fileno(output), STDERR_FILENO);
    alarm(kMostSeconds);
    for (*seed = 1; *seed <= kSeeds && !HasFailure(); ++*seed) RunChaos(*seed, 1);
    std::fflush(nullptr);
    _exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_NE(status, 0) << "not found within " << kSeeds << " seeds";
  const uint64_t found_at = WIFEXITED(status) ? *seed - 1 : *seed;
  std::cout << "found at seed " << found_at << (WIFSIGNALED(status) ? ", by the end of the process" : "") << ":\n"
            << Beginning(output) << std::endl;
}

}  // namespace
}  // namespace perennial
