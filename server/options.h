// Everything that a start of the server can be told, as one value: flags.h reads it from the command line, tests fill
// it in by hand. Checked once, at the start; constant afterwards.

#ifndef PERENNIAL_SERVER_OPTIONS_H_
#define PERENNIAL_SERVER_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "model/sampler.h"
#include "server/engine/engine.h"

namespace perennial {

// Each field is the flag of the same name unless its comment says otherwise.
struct ServerOptions {
  // What is served.
  std::string model;                    // GGUF file or Hugging Face directory; required by perenniald
  std::string chat_template;            // empty: the checkpoint's; else a built-in name or a file
  std::string device = "cpu";           // "cpu", "cuda" or "cuda:N"
  std::string dtype = "auto";           // "auto", "float32", "bfloat16" or "float16" (CUDA only)
  int32_t threads = 1;                  // of the model
  bool allow_untrained_length = false;  // caches larger than the model was trained for
  int64_t template_fuel = 1'000'000;    // minijinja instructions of one rendering

  // Where it listens.
  std::string listen = "127.0.0.1:50051";
  bool insecure = false;  // allows an address other than loopback without TLS
  std::string port_file;  // empty: none

  // What a session gets when it asks for nothing.
  int32_t cache_tokens = 1024;                // C = S + N + W
  std::optional<int32_t> sink_tokens;         // S, or less than S where more is pinned; unset: what suits the model
  std::string pinned_head = "system_prompt";  // "system_prompt", "system_prompt_start" or "sinks_only"
  std::string eviction = "turn_wise";         // "turn_wise" or "token_wise"
  absl::Duration idle_timeout = absl::Hours(1);
  // Bytes, of all sessions together. 0, with a CUDA device only: a quarter of what the GPU has free.
  int64_t cache_memory = int64_t{1} << 30;
  int32_t max_pinned_tokens = 512;  // of a system prompt
  int32_t min_window_tokens = 32;   // that stay where more than sink_tokens are pinned, or notes are wanted

  // What a turn gets when neither it nor the checkpoint says otherwise: flags temperature, top_k, top_p, min_p,
  // typical_p,
  // repetition_penalty, presence_penalty, frequency_penalty, repetition_window (a seed is drawn for every turn),
  // max_tokens.
  SamplingParams sampling;
  int64_t max_tokens = 1024;
  std::string on_repetition = "report";  // "ignore", "report" or "finish"

  // Texts and streams.
  int32_t max_text_bytes = 1 << 20;           // of all texts of one request
  int32_t inline_text_bytes = 16384;          // longer texts are rendered on the text thread
  int32_t max_waiting_texts = 64;             // waiting for the text thread; then QUEUE_FULL
  int32_t max_json_schema_bytes = 65536;      // of one request
  int64_t max_unread_bytes = 65536;           // of one stream: held for a client that does not read
  int64_t rpc_memory = int64_t{256} << 20;    // bytes that gRPC may use for its own buffers, over all connections
  int32_t max_streams_per_connection = 1024;  // calls at once on one connection; more wait in the client

  absl::Duration drain_timeout = absl::Seconds(30);  // running turns are cut after it
  std::string log_level = "info";                    // trace, debug, info, warn, error, off

  EngineOptions engine;  // flags by the names of its fields
};

// INVALID_ARGUMENT naming the first flag that is out of range or contradicts another: "--sink_tokens: 8 is …". What
// only the loaded model can say (EngineOptions against RunnerLimits, cache_tokens against the trained length) is
// checked by the engine and the runner.
absl::Status ValidateServerOptions(const ServerOptions& options);

// True if the model runs on a GPU.
bool UsesCuda(const ServerOptions& options);

// True if `listen` ("HOST:PORT", "[::1]:PORT", "unix:PATH") can be reached from this machine only.
bool IsLoopback(absl::string_view listen);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_OPTIONS_H_
