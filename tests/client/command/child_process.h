// Runs a program as a user does: with pipes, or at a terminal.

#ifndef PERENNIAL_TESTS_CLIENT_COMMAND_CHILD_PROCESS_H_
#define PERENNIAL_TESTS_CLIENT_COMMAND_CHILD_PROCESS_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace perennial {

// What a program printed and how it ended.
struct ChildResult {
  int exit_code = -1;  // 128 + N when signal N killed it
  std::string out;     // at a terminal: both streams
  std::string err;
};

// A running child. Its environment is empty but for PATH, LC_ALL=C.UTF-8, TERM=xterm, a HOME of its own, what
// sanitizers are told, and what is given. Every wait ends after ten seconds at the latest and then kills the child, so
// that a test fails rather than hangs.
class ChildProcess {
 public:
  enum class Streams { kPipes, kTerminal };

  ChildProcess(const std::vector<std::string>& arguments, Streams streams,
               const std::map<std::string, std::string>& environment = {});
  ~ChildProcess();  // kills it if it still runs
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // To its standard input or, at a terminal, as typed.
  void Write(absl::string_view text);
  void CloseInput();

  // As a reader of its standard output that leaves; for kPipes.
  void CloseOutput();
  void Signal(int signal);

  // Reads until `text` comes in the standard output (kTerminal: in any) after the last text waited for. False if it
  // does not.
  bool WaitFor(absl::string_view text);

  // The same in standard error, for kPipes.
  bool WaitForError(absl::string_view text);

  // Reads the rest and waits for the end.
  ChildResult Wait();

  const std::string& out() const { return out_; }
  pid_t pid() const { return pid_; }

 private:
  // Reads once what is there; false at the end of both streams or when time is up.
  bool ReadSome();
  bool WaitFor(absl::string_view text, const std::string& stream, size_t& seen);

  pid_t pid_ = -1;
  int in_ = -1;
  int out_fd_ = -1;
  int err_fd_ = -1;  // -1 at a terminal
  std::string out_, err_;
  size_t out_seen_ = 0, err_seen_ = 0;
};

// Starts it, writes `input`, closes, waits.
ChildResult RunChild(const std::vector<std::string>& arguments, absl::string_view input = "",
                     const std::map<std::string, std::string>& environment = {});

// A new folder for this test, empty.
std::string NewTestFolder();

}  // namespace perennial

#endif  // PERENNIAL_TESTS_CLIENT_COMMAND_CHILD_PROCESS_H_
