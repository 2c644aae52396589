// A relay between a client and a server on this machine whose connections can be cut: a bad network.

#ifndef PERENNIAL_TESTS_CLIENT_TCP_RELAY_H_
#define PERENNIAL_TESTS_CLIENT_TCP_RELAY_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace perennial {

// Passes bytes on in both directions, connection by connection, on one thread of its own. Thread-safe.
class TcpRelay {
 public:
  // Says of every new connection after how many bytes from the server it is cut by itself; nullopt: never. Called on
  // the relay's thread.
  using CutAfter = std::function<std::optional<int64_t>()>;

  // `target` is "127.0.0.1:PORT".
  explicit TcpRelay(const std::string& target, CutAfter cut_after = nullptr);
  ~TcpRelay();
  TcpRelay(const TcpRelay&) = delete;
  TcpRelay& operator=(const TcpRelay&) = delete;

  const std::string& address() const { return address_; }  // what the client connects to

  // Cuts all connections; bytes on their way are lost. New ones are accepted. Any thread; returns when it is done.
  void Cut() ABSL_LOCKS_EXCLUDED(mutex_);

  // Connections that were made through it.
  int connections() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Those that were cut because of `cut_after`.
  int cuts() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Pair {
    int client;
    int server;
    std::optional<int64_t> bytes_left;  // from the server, until it is cut
  };

  void Run();
  void Accept() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const CutAfter cut_after_;
  std::string address_;
  int target_port_ = 0;
  int listener_ = -1;
  int wake_[2] = {-1, -1};  // a pipe; closing its end ends the thread

  mutable absl::Mutex mutex_;
  std::vector<Pair> pairs_ ABSL_GUARDED_BY(mutex_);
  int connections_ ABSL_GUARDED_BY(mutex_) = 0;
  int cuts_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_CLIENT_TCP_RELAY_H_
