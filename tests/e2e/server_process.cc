#include "tests/e2e/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "model/check.h"

extern char** environ;

namespace perennial {

ChildProcess::ChildProcess(std::vector<std::string> arguments) {
  int ends[2];
  PERENNIAL_CHECK(pipe2(ends, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  PERENNIAL_CHECK(posix_spawn_file_actions_init(&actions) == 0);
  PERENNIAL_CHECK(posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) == 0);
  PERENNIAL_CHECK(posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO) == 0);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const int error = posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  if (error != 0) std::cerr << "cannot start " << arguments[0] << std::endl;
  PERENNIAL_CHECK(error == 0);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  output_fd_ = ends[0];
  reader_ = std::thread([this] { ReadOutput(); });
}

ChildProcess::~ChildProcess() {
  if (!ended_) {
    kill(pid_, SIGKILL);
    AwaitExit();
  }
  reader_.join();
  close(output_fd_);
}

void ChildProcess::ReadOutput() {
  char buffer[4096];
  while (true) {
    const ssize_t bytes = read(output_fd_, buffer, sizeof(buffer));
    absl::MutexLock lock(&mutex_);
    if (bytes <= 0) {
      output_closed_ = true;
      return;
    }
    output_.append(buffer, static_cast<size_t>(bytes));
  }
}

void ChildProcess::Signal(int signal) { PERENNIAL_CHECK(kill(pid_, signal) == 0); }

bool ChildProcess::AwaitOutput(const std::string& text) {
  const auto printed_or_closed = [this, &text]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return output_closed_ || absl::StrContains(output_, text);
  };
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&printed_or_closed), absl::Minutes(1));
  return absl::StrContains(output_, text);
}

int ChildProcess::AwaitExit() {
  if (ended_) return exit_code_;
  int status = 0;
  PERENNIAL_CHECK(waitpid(pid_, &status, 0) == pid_);
  ended_ = true;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return exit_code_;
}

std::string ChildProcess::output() const {
  absl::MutexLock lock(&mutex_);
  return output_;
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "perennial_e2e_XXXXXX").string();
  PERENNIAL_CHECK(mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ServerProcess::ServerProcess(const std::string& program, const std::vector<std::string>& flags) {
  const std::string port_file = folder_.File("port");
  std::vector<std::string> arguments = {program, "--listen=127.0.0.1:0", "--port_file=" + port_file};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  process_ = std::make_unique<ChildProcess>(std::move(arguments));
  // The port file is written before this line.
  const bool ready = process_->AwaitOutput("serving on");
  if (!ready) std::cerr << program << " did not start:\n" << process_->output() << std::endl;
  PERENNIAL_CHECK(ready);
  std::ifstream(port_file) >> port_;
  PERENNIAL_CHECK(port_ > 0);
}

}  // namespace perennial
