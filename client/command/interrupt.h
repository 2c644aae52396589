// Ctrl-C: from the signal to whoever has to stop.

#ifndef PERENNIAL_CLIENT_COMMAND_INTERRUPT_H_
#define PERENNIAL_CLIENT_COMMAND_INTERRUPT_H_

#include <functional>
#include <thread>

namespace perennial {

// While one exists, SIGINT, SIGTERM and SIGHUP no longer end the process but are noted in a pipe: the only thing that a
// signal handler may safely do here. At most one at a time; main thread. A signal that the process was started to
// ignore stays ignored.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Readable (poll) once a signal has come, until Clear.
  int fd() const { return read_fd_; }

  // Forgets the signals so far; returns whether there were any.
  bool Clear();

  // SIGTERM or SIGHUP has come: finish and leave. Stays true. Any thread.
  bool quit_requested() const;

 private:
  int read_fd_ = -1;
};

// While it lives, calls `on_interrupt` on a thread of its own whenever a signal comes, which is then cleared; signals
// that come together are one. For the time that the main thread is blocked in a call. `interrupt` must outlive it.
class OnInterrupt {
 public:
  OnInterrupt(Interrupt& interrupt, std::function<void()> on_interrupt);
  ~OnInterrupt();
  OnInterrupt(const OnInterrupt&) = delete;
  OnInterrupt& operator=(const OnInterrupt&) = delete;

 private:
  int stop_fd_ = -1;  // closing it ends the thread
  std::thread thread_;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_INTERRUPT_H_
