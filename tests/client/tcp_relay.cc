#include "tests/client/tcp_relay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace perennial {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Closes with a reset, as a network that fails does: what is on its way is thrown away.
void Reset(int socket) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close(socket);
}

// Passes on what `from` has, `bytes_left` bytes in all; false when that is the end.
bool Pass(int from, int to, std::optional<int64_t>* bytes_left = nullptr) {
  char bytes[65536];
  ssize_t count = read(from, bytes, sizeof(bytes));
  if (count <= 0) return false;
  if (bytes_left != nullptr && bytes_left->has_value()) {
    if (**bytes_left <= count) count = static_cast<ssize_t>(**bytes_left);
    **bytes_left -= count;
  }
  for (ssize_t sent = 0; sent < count;) {
    const ssize_t written = send(to, bytes + sent, static_cast<size_t>(count - sent), MSG_NOSIGNAL);
    if (written < 0) return false;
    sent += written;
  }
  return bytes_left == nullptr || *bytes_left != 0;
}

}  // namespace

TcpRelay::TcpRelay(const std::string& target, CutAfter cut_after) : cut_after_(std::move(cut_after)) {
  (void)absl::SimpleAtoi(target.substr(target.rfind(':') + 1), &target_port_);
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  bind(listener_, reinterpret_cast<sockaddr*>(&address), length);
  listen(listener_, 1024);
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
  address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  if (pipe2(wake_, O_CLOEXEC) != 0) return;
  thread_ = std::thread([this] { Run(); });
}

TcpRelay::~TcpRelay() {
  close(wake_[1]);
  if (thread_.joinable()) thread_.join();
  Cut();
  close(listener_);
  close(wake_[0]);
}

void TcpRelay::Cut() {
  absl::MutexLock lock(&mutex_);
  for (const Pair& pair : std::exchange(pairs_, {})) {
    Reset(pair.client);
    Reset(pair.server);
  }
}

int TcpRelay::connections() const {
  absl::MutexLock lock(&mutex_);
  return connections_;
}

int TcpRelay::cuts() const {
  absl::MutexLock lock(&mutex_);
  return cuts_;
}

void TcpRelay::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in target = Loopback(target_port_);
  if (client < 0 || connect(server, reinterpret_cast<const sockaddr*>(&target), sizeof(target)) != 0) {
    if (client >= 0) Reset(client);
    close(server);
    return;
  }
  pairs_.push_back(
      {.client = client, .server = server, .bytes_left = cut_after_ ? cut_after_() : std::optional<int64_t>()});
  ++connections_;
}

void TcpRelay::Run() {
  while (true) {
    std::vector<pollfd> polled = {{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
    {
      absl::MutexLock lock(&mutex_);
      for (const Pair& pair : pairs_) {
        polled.push_back({pair.client, POLLIN, 0});
        polled.push_back({pair.server, POLLIN, 0});
      }
    }
    // A cut socket's number may be in use again after Cut: nothing is done with one before the lock is held, and then
    // only with those of `pairs_`. The short timeout picks up what changed meanwhile.
    if (poll(polled.data(), polled.size(), 20) < 0 && errno != EINTR) return;
    if (polled[0].revents != 0) return;
    absl::MutexLock lock(&mutex_);
    for (size_t i = 0; i < pairs_.size();) {
      Pair& pair = pairs_[i];
      pollfd now[2] = {{pair.client, POLLIN, 0}, {pair.server, POLLIN, 0}};
      bool open = true;
      if (poll(now, 2, 0) > 0) {
        if (now[0].revents != 0) open = Pass(pair.client, pair.server);
        if (open && now[1].revents != 0) open = Pass(pair.server, pair.client, &pair.bytes_left);
      }
      if (open) {
        ++i;
        continue;
      }
      if (pair.bytes_left == 0) ++cuts_;
      Reset(pair.client);
      Reset(pair.server);
      pairs_.erase(pairs_.begin() + static_cast<ptrdiff_t>(i));
    }
    if (polled[1].revents != 0) Accept();
  }
}

}  // namespace perennial
