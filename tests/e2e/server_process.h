// A server in a process of its own, as a user runs it.

#ifndef PERENNIAL_TESTS_E2E_SERVER_PROCESS_H_
#define PERENNIAL_TESTS_E2E_SERVER_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace perennial {

// Owns a child process and reads its standard output and error (together). Killed when this object goes.
class ChildProcess {
 public:
  // Starts `arguments[0]`, a path, with the rest. Aborts the test program if it cannot.
  explicit ChildProcess(std::vector<std::string> arguments);
  ~ChildProcess();

  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void Signal(int signal);
  pid_t pid() const { return pid_; }

  // Waits until the process has printed `text` and returns true, or has closed its output without, or a minute has
  // passed, and returns false.
  bool AwaitOutput(const std::string& text) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits for the end; the exit code, or minus the signal's number.
  int AwaitExit();

  // All that was printed so far.
  std::string output() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void ReadOutput() ABSL_LOCKS_EXCLUDED(mutex_);

  pid_t pid_ = -1;
  int output_fd_ = -1;
  bool ended_ = false;
  int exit_code_ = 0;

  mutable absl::Mutex mutex_;
  std::string output_ ABSL_GUARDED_BY(mutex_);
  bool output_closed_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread reader_;
};

// A folder for one test's files; removed with all that is in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A server on a free loopback port, ready. `flags` come after its own (--listen, --port_file). Aborts with the server's
// output if it does not become ready.
class ServerProcess {
 public:
  ServerProcess(const std::string& program, const std::vector<std::string>& flags);

  int port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  ChildProcess& process() { return *process_; }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<ChildProcess> process_;
  int port_ = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_E2E_SERVER_PROCESS_H_
