#include "server/serve.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <random>
#include <utility>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "server/byte_size.h"
#include "server/engine/cache_reservations.h"
#include "server/engine/clock.h"
#include "server/flags.h"
#include "server/request_rules.h"
#include "server/server.h"
#include "server/stop_signals.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"

namespace perennial {
namespace {

// The system's randomness: session ids must not be guessable. Thread-safe.
uint64_t SystemRandomBits() {
  thread_local std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

void LogMemorySum(const RequestRules& rules, const LoadedModel& model) {
  const ServerOptions& options = rules.options;
  const RunnerLimits& limits = model.engine_model.runner->limits();
  const int64_t session_bytes = std::max<int64_t>(1, model.engine_model.runner->CacheBytes(DefaultShape(rules)));
  spdlog::info("model {} ({}), {}", model.facts.name, model.facts.architecture, model.facts.runner);
  spdlog::info("cache memory {} / ({} a token x {} tokens = {} a session) = {} sessions of default size",
               FormatBytes(limits.cache_memory_bytes), FormatBytes(limits.cache_bytes_per_token), options.cache_tokens,
               FormatBytes(session_bytes), limits.cache_memory_bytes / session_bytes);
  CacheReservations reservations(model.engine_model.runner->FreeCacheBytes(), options.engine.parked_memory);
  int64_t sessions = 0;
  for (; sessions < options.engine.max_sessions && reservations.Fits(session_bytes); ++sessions) {
    reservations.Add(session_bytes);
  }
  spdlog::info("parked memory {}: {} sessions of default size in all (max_sessions {})",
               FormatBytes(options.engine.parked_memory), sessions, options.engine.max_sessions);
}

// What the flags ask of the engine and of the model's cache, checked against what the runner has.
absl::Status CheckAgainstRunner(const RequestRules& rules, const ModelRunner& runner) {
  const ServerOptions& options = rules.options;
  if (absl::Status status = ValidateEngineOptions(options.engine, runner.limits()); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--", status.message()));
  }
  const CacheShape shape = DefaultShape(rules);
  // First: a runner with little memory also says that it takes only small caches.
  if (runner.CacheBytes(shape) > runner.limits().cache_memory_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--cache_memory: ", FormatBytes(runner.limits().cache_memory_bytes), " is less than one session needs, ",
        FormatBytes(runner.CacheBytes(shape)), ": raise it, or lower --cache_tokens"));
  }
  if (options.cache_tokens > runner.limits().max_cache_tokens) {
    return absl::InvalidArgumentError(absl::StrCat("--cache_tokens: ", options.cache_tokens, " is more than ",
                                                   runner.limits().max_cache_tokens,
                                                   ", the length the model was trained for: lower it, or add "
                                                   "--allow_untrained_length"));
  }
  return absl::OkStatus();
}

}  // namespace

void SetUpLog(const ServerOptions& options) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("perenniald"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  spdlog::set_level(spdlog::level::from_str(options.log_level));
  // gRPC writes its own errors beside ours ("address in use" twice, in two styles); whoever wants them sets the
  // variable.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
}

void PrintStartError(const absl::Status& status) { std::cerr << "perenniald: " << status.message() << '\n'; }

int Serve(const ServerOptions& options, const LoadedModel& model) {
  const RequestRules rules =
      MakeRequestRules(options, model.engine_model.runner->limits(), model.generation, model.default_sink_tokens);
  if (absl::Status status = CheckAgainstRunner(rules, *model.engine_model.runner); !status.ok()) {
    PrintStartError(status);
    return kExitBadFlags;
  }
  LogMemorySum(rules, model);
  const SystemClock clock;
  EngineModel engine_model = model.engine_model;
  engine_model.on_failure = [](const absl::Status& status) {
    spdlog::error("the model failed: {}", status.ToString());
  };
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      Engine::Create(options.engine, std::move(engine_model), &clock, SystemRandomBits);
  if (!engine.ok()) {
    PrintStartError(engine.status());
    return absl::IsInvalidArgument(engine.status()) ? kExitBadFlags : kExitStartFailed;
  }
  (*engine)->Start();
  absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Start(rules, model.facts, model.renderer, engine->get(), SystemRandomBits);
  absl::Status status = server.status();
  if (status.ok() && !options.port_file.empty()) status = (*server)->WritePortFile(options.port_file);
  if (!status.ok()) {
    PrintStartError(status);
    return kExitStartFailed;
  }
  if ((*server)->port() == 0) {
    spdlog::info("serving on {}", options.listen);
  } else {
    spdlog::info("serving on {}, port {}{}", options.listen, (*server)->port(),
                 IsLoopback(options.listen) ? "" : ", WITHOUT ENCRYPTION (--insecure)");
  }

  const int signal = AwaitStopSignal();
  spdlog::info("{}: draining, running turns may take {}", strsignal(signal),
               absl::FormatDuration(options.drain_timeout));
  ExitOnNextStopSignal(kExitInterrupted);
  (*server)->Drain(options.drain_timeout);
  spdlog::info("drained");
  return kExitOk;
}

}  // namespace perennial
