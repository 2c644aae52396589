// What the service's methods work with.

#ifndef PERENNIAL_SERVER_SERVICE_PARTS_H_
#define PERENNIAL_SERVER_SERVICE_PARTS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "server/engine/engine.h"
#include "server/prompt_renderer.h"
#include "server/request_rules.h"
#include "server/text_worker.h"

namespace perennial {

// What GetModel says about the model itself.
struct ModelFacts {
  std::string name;  // the checkpoint's own, or its file name
  std::string architecture;
  std::string runner;  // ModelRunner::Description()
};

// Constant while the server runs. Everything pointed to is thread-safe and outlives the last call.
struct ServiceParts {
  RequestRules rules;
  ModelFacts model;
  const PromptRenderer* renderer = nullptr;
  Engine* engine = nullptr;
  TextWorker* text_worker = nullptr;
  std::function<uint64_t()> random_bits;  // seeds of turns that bring none; thread-safe
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_SERVICE_PARTS_H_
