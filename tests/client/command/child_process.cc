#include "tests/client/command/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "model/check.h"

namespace perennial {
namespace {

constexpr int kPatienceMilliseconds = 10000;

struct Pipe {
  Pipe() { PERENNIAL_CHECK(pipe2(fds, O_CLOEXEC) == 0); }
  int fds[2];
};

void CloseOnce(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

}  // namespace

std::string NewTestFolder() {
  std::string path = absl::StrCat(testing::TempDir(), "perennial-XXXXXX");
  PERENNIAL_CHECK(mkdtemp(path.data()) != nullptr);
  return path;
}

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, Streams streams,
                           const std::map<std::string, std::string>& environment) {
  std::map<std::string, std::string> variables = {
      {"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C.UTF-8"}, {"TERM", "xterm"}, {"NO_COLOR", "1"}, {"HOME", ""}};
  for (const char* const name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS"}) {
    if (const char* const value = getenv(name); value != nullptr) variables[name] = value;
  }
  for (const auto& [name, value] : environment) variables[name] = value;
  if (variables["HOME"].empty()) variables["HOME"] = NewTestFolder();
  std::vector<std::string> settings;
  for (const auto& [name, value] : variables) settings.push_back(absl::StrCat(name, "=", value));
  std::vector<char*> argv, envp;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  for (const std::string& setting : settings) envp.push_back(const_cast<char*>(setting.c_str()));
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  if (streams == Streams::kTerminal) {
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    PERENNIAL_CHECK(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    const winsize size{.ws_row = 24, .ws_col = 200, .ws_xpixel = 0, .ws_ypixel = 0};
    ioctl(terminal, TIOCSWINSZ, &size);
    // As terminal emulators do: what is typed before the program reads is edited by characters, not by bytes.
    termios modes;
    PERENNIAL_CHECK(tcgetattr(terminal, &modes) == 0);
    modes.c_iflag |= IUTF8;
    PERENNIAL_CHECK(tcsetattr(terminal, TCSANOW, &modes) == 0);
    char name[64];
    PERENNIAL_CHECK(ptsname_r(terminal, name, sizeof(name)) == 0);
    // The first terminal that the leader of a new session opens becomes its own: Ctrl-C then sends it SIGINT.
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, name, O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO);
    PERENNIAL_CHECK(posix_spawn(&pid_, argv[0], &actions, &attributes, argv.data(), envp.data()) == 0);
    in_ = terminal;
    out_fd_ = fcntl(terminal, F_DUPFD_CLOEXEC, 0);
  } else {
    const Pipe in, out, err;
    posix_spawn_file_actions_adddup2(&actions, in.fds[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out.fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err.fds[1], STDERR_FILENO);
    PERENNIAL_CHECK(posix_spawn(&pid_, argv[0], &actions, &attributes, argv.data(), envp.data()) == 0);
    for (const int fd : {in.fds[0], out.fds[1], err.fds[1]}) close(fd);
    in_ = in.fds[1];
    out_fd_ = out.fds[0];
    err_fd_ = err.fds[0];
  }
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  CloseOnce(in_);
  CloseOnce(out_fd_);
  CloseOnce(err_fd_);
}

void ChildProcess::Write(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t bytes = write(in_, text.data(), text.size());
    if (bytes <= 0) return;  // it has ended; its output tells why
    text.remove_prefix(static_cast<size_t>(bytes));
  }
}

void ChildProcess::CloseInput() { CloseOnce(in_); }
void ChildProcess::CloseOutput() { CloseOnce(out_fd_); }

void ChildProcess::Signal(int signal) { kill(pid_, signal); }

bool ChildProcess::ReadSome() {
  pollfd fds[2] = {{out_fd_, POLLIN, 0}, {err_fd_, POLLIN, 0}};
  if (out_fd_ < 0 && err_fd_ < 0) return false;
  if (poll(fds, 2, kPatienceMilliseconds) <= 0) {
    ADD_FAILURE() << "the child said nothing for ten seconds; so far:\n" << out_ << err_;
    kill(pid_, SIGKILL);
    return false;
  }
  char buffer[4096];
  for (const bool is_err : {false, true}) {
    if (fds[is_err].revents == 0) continue;
    int& fd = is_err ? err_fd_ : out_fd_;
    const ssize_t bytes = read(fd, buffer, sizeof(buffer));
    if (bytes > 0) {
      (is_err ? err_ : out_).append(buffer, static_cast<size_t>(bytes));
    } else {
      CloseOnce(fd);  // a terminal ends with EIO
    }
  }
  return true;
}

bool ChildProcess::WaitFor(absl::string_view text, const std::string& stream, size_t& seen) {
  while (true) {
    const size_t found = stream.find(std::string(text), seen);
    if (found != std::string::npos) {
      seen = found + text.size();
      return true;
    }
    if (!ReadSome()) return false;
  }
}

bool ChildProcess::WaitFor(absl::string_view text) { return WaitFor(text, out_, out_seen_); }
bool ChildProcess::WaitForError(absl::string_view text) { return WaitFor(text, err_, err_seen_); }

ChildResult ChildProcess::Wait() {
  while (ReadSome()) {
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), .out = out_, .err = err_};
}

ChildResult RunChild(const std::vector<std::string>& arguments, absl::string_view input,
                     const std::map<std::string, std::string>& environment) {
  ChildProcess child(arguments, ChildProcess::Streams::kPipes, environment);
  child.Write(input);
  child.CloseInput();
  return child.Wait();
}

}  // namespace perennial
