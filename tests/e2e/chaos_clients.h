// Many clients at once that talk to one server, over a network that may cut their connections.

#ifndef PERENNIAL_TESTS_E2E_CHAOS_CLIENTS_H_
#define PERENNIAL_TESTS_E2E_CHAOS_CLIENTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/client/tcp_relay.h"

namespace perennial {

// What every client says: `turns` messages of its own, one after the other, in a session of its own.
struct ChaosPlan {
  int clients = 0;
  int turns = 0;
  int64_t max_tokens = 0;
  uint64_t seed = 1;  // of the messages
};

// What came of it.
struct ChaosOutcome {
  std::vector<std::vector<std::string>> texts;  // [client][turn]
  int64_t turns = 0;                            // that finished
  int64_t generated_tokens = 0;                 // as the clients were told
  int64_t reconnects = 0;
};

// Runs all clients, a thread and a connection each; blocks until all turns have ended. Sessions are made through
// `server`, turns run through `turns_through`: the server itself, or a relay before it. Every turn has a request id and
// goes on without its client. A turn that fails is a test failure.
ChaosOutcome RunClients(const std::string& server, const std::string& turns_through, const ChaosPlan& plan);

// A relay that cuts its first `most_cuts` connections, each after a random number of bytes from the server.
std::unique_ptr<TcpRelay> BadNetwork(const std::string& server, uint64_t seed, int most_cuts, int64_t most_bytes);

}  // namespace perennial

#endif  // PERENNIAL_TESTS_E2E_CHAOS_CLIENTS_H_
