#include "client/command/line_source.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace perennial {

LineResult PipedLines::Read(const std::string&, std::string& line) {
  line.clear();
  size_t searched = 0;
  while (true) {
    const size_t end = unread_.find('\n', searched);
    if (end != std::string::npos || (at_end_ && !unread_.empty())) {
      line = unread_.substr(0, end);
      unread_.erase(0, end == std::string::npos ? end : end + 1);
      return LineResult::kLine;
    }
    searched = unread_.size();
    if (at_end_) return LineResult::kEnd;

    pollfd fds[2] = {{fd_, POLLIN, 0}, {interrupt_.fd(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return LineResult::kEnd;
    if (fds[1].revents != 0 && interrupt_.Clear()) {
      return interrupt_.quit_requested() ? LineResult::kEnd : LineResult::kInterrupted;
    }
    if (fds[0].revents == 0) continue;
    char buffer[4096];
    const ssize_t bytes = read(fd_, buffer, sizeof(buffer));
    if (bytes > 0) unread_.append(buffer, static_cast<size_t>(bytes));
    if (bytes == 0 || (bytes < 0 && errno != EINTR && errno != EAGAIN)) at_end_ = true;
  }
}

}  // namespace perennial
