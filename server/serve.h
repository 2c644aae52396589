// From a loaded model to the end of the process: what perenniald and the tests' fake server have in common.

#ifndef PERENNIAL_SERVER_SERVE_H_
#define PERENNIAL_SERVER_SERVE_H_

#include <cstdint>

#include "model/checkpoint/checkpoint.h"
#include "model/model_runner.h"
#include "server/engine/engine.h"
#include "server/options.h"
#include "server/prompt_renderer.h"
#include "server/service_parts.h"

namespace perennial {

// A model that is ready to be served. Everything pointed to outlives Serve.
struct LoadedModel {
  EngineModel engine_model;  // with its runner
  ModelFacts facts;
  GenerationDefaults generation;
  int32_t default_sink_tokens = 0;  // DefaultSinkTokens of its configuration
  const PromptRenderer* renderer = nullptr;
};

// Makes the engine, serves until SIGTERM or SIGINT, drains, and returns the exit code (flags.h). Prints the memory sum
// and the address to the log. REQUIRES: BlockStopSignals was called before any thread was started.
int Serve(const ServerOptions& options, const LoadedModel& model);

// spdlog to standard error, at options.log_level.
void SetUpLog(const ServerOptions& options);

// One line on standard error: "perenniald: …".
void PrintStartError(const absl::Status& status);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_SERVE_H_
