#include "client/command/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <iterator>
#include <utility>

namespace perennial {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

std::atomic<int> write_fd{-1};  // what the signal handler writes to
std::atomic<bool> quit{false};
struct sigaction previous_actions[std::size(kSignals)];

void NoteSignal(int signal) {
  const int saved_errno = errno;
  if (signal != SIGINT) quit.store(true);
  const char byte = 's';
  // A full pipe has noted it already.
  [[maybe_unused]] const ssize_t written = write(write_fd.load(), &byte, 1);
  errno = saved_errno;
}

}  // namespace

Interrupt::Interrupt() {
  int fds[2] = {-1, -1};
  if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) return;  // out of descriptors: signals then end the process as usual
  read_fd_ = fds[0];
  write_fd.store(fds[1]);
  quit.store(false);
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], nullptr, &previous_actions[i]);
    if (previous_actions[i].sa_handler == SIG_IGN) continue;
    struct sigaction action {};
    action.sa_handler = NoteSignal;
    action.sa_flags = SA_RESTART;  // who wants to know polls fd()
    sigemptyset(&action.sa_mask);
    sigaction(kSignals[i], &action, nullptr);
  }
}

Interrupt::~Interrupt() {
  if (read_fd_ < 0) return;
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &previous_actions[i], nullptr);
  close(write_fd.exchange(-1));
  close(read_fd_);
}

bool Interrupt::quit_requested() const { return quit.load(); }

bool Interrupt::Clear() {
  char bytes[64];
  bool any = false;
  while (read(read_fd_, bytes, sizeof(bytes)) > 0) any = true;
  return any;
}

OnInterrupt::OnInterrupt(Interrupt& interrupt, std::function<void()> on_interrupt) {
  int fds[2] = {-1, -1};
  if (interrupt.fd() < 0 || pipe2(fds, O_CLOEXEC) != 0) return;
  stop_fd_ = fds[1];
  thread_ = std::thread([&interrupt, stop_fd = fds[0], on_interrupt = std::move(on_interrupt)] {
    pollfd fds[2] = {{interrupt.fd(), POLLIN, 0}, {stop_fd, POLLIN, 0}};
    while (true) {
      if (poll(fds, 2, -1) < 0) {
        if (errno == EINTR) continue;
        break;
      }
      if (fds[1].revents != 0) break;
      if (interrupt.Clear()) on_interrupt();
    }
    close(stop_fd);
  });
}

OnInterrupt::~OnInterrupt() {
  if (stop_fd_ < 0) return;
  close(stop_fd_);
  thread_.join();
}

}  // namespace perennial
