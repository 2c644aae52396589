// A Server in the test's own process, on any engine, with a client connected to it over a real socket.

#ifndef PERENNIAL_TESTS_SERVER_SERVED_ENGINE_H_
#define PERENNIAL_TESTS_SERVER_SERVED_ENGINE_H_

#include <memory>
#include <string>

#include "model/check.h"
#include "server/server.h"
#include "tests/e2e/chat_calls.h"
#include "tests/server/byte_prompt_renderer.h"

namespace perennial {

// Limits and defaults of a small model.
inline RunnerLimits SmallLimits() {
  return {.vocab_size = kByteVocabSize,
          .max_tokens_per_step = 512,
          .max_cache_tokens = 8192,
          .trained_tokens = 8192,
          .cache_bytes_per_token = 16,
          .cache_memory_bytes = int64_t{1} << 20};
}

inline ServerOptions SmallOptions() {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  return options;
}

class ServedEngine {
 public:
  explicit ServedEngine(Engine* engine, const ServerOptions& options = SmallOptions(),
                        const PromptRenderer* renderer = nullptr) {
    const RequestRules rules = MakeRequestRules(options, SmallLimits(), {}, 4);
    const ModelFacts model = {.name = "small", .architecture = "fake", .runner = "none"};
    absl::StatusOr<std::unique_ptr<Server>> started = Server::Start(
        rules, model, renderer == nullptr ? &byte_renderer_ : renderer, engine, [] { return uint64_t{4711}; });
    PERENNIAL_CHECK(started.ok());
    server = *std::move(started);
    address = "127.0.0.1:" + std::to_string(server->port());
    stub = Connect(address, /*fixed_window=*/true);
  }

  std::unique_ptr<Server> server;
  std::string address;
  std::unique_ptr<v1::ChatService::Stub> stub;

 private:
  const BytePromptRenderer byte_renderer_;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SERVER_SERVED_ENGINE_H_
