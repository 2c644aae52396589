// The gRPC server: ChatService, grpc.health.v1 and reflection on one port, from start to drained.

#ifndef PERENNIAL_SERVER_SERVER_H_
#define PERENNIAL_SERVER_SERVER_H_

#include <grpcpp/server.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/chat_service.h"
#include "server/service_parts.h"
#include "server/text_worker.h"

namespace perennial {

// Start and Drain are for one thread; the calls themselves run on gRPC's threads, the text thread and the engine's.
class Server {
 public:
  // Listens and serves. `renderer` and `engine` (started) must outlive the server. `random_bits`: seeds of turns;
  // thread-safe. UNAVAILABLE with one line if the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const RequestRules& rules, const ModelFacts& model,
                                                       const PromptRenderer* renderer, Engine* engine,
                                                       std::function<uint64_t()> random_bits);

  // Drains with no time left, if that has not been done.
  ~Server();

  // What was bound; 0 for a socket file.
  int port() const { return port_; }

  // Writes the port and a newline to `path`, atomically: whoever sees the file sees all of it.
  absl::Status WritePortFile(const std::string& path) const;

  // Ends the server: health says NOT_SERVING, the engine stops admitting and tells running turns (go_away), turns
  // finish or are cut at `timeout`, streams get a second more to be read, then the port is closed and the engine
  // stopped. Returns when all that is done. Idempotent.
  void Drain(absl::Duration timeout);

 private:
  Server(const RequestRules& rules, const ModelFacts& model, const PromptRenderer* renderer, Engine* engine,
         std::function<uint64_t()> random_bits);

  Engine* const engine_;
  std::unique_ptr<TextWorker> text_worker_;
  ChatService service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> grpc_server_;  // null once drained
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_SERVER_H_
