#include "server/flags.h"

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/reflection.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/byte_size.h"

// A flag whose default is that of the field of the same name, so that there is one place for defaults: the structs.
#define PERENNIAL_FLAG(type, name, help) ABSL_FLAG(type, name, perennial::ServerOptions().name, help)
#define PERENNIAL_ENGINE_FLAG(type, name, help) ABSL_FLAG(type, name, perennial::EngineOptions().name, help)
#define PERENNIAL_SAMPLING_FLAG(type, name, help) ABSL_FLAG(type, name, perennial::SamplingParams().name, help)

PERENNIAL_FLAG(std::string, model, "GGUF file or Hugging Face directory to serve; required");
PERENNIAL_FLAG(
    std::string, chat_template,
    "chat template: a built-in name (chatml, gemma, llama2, llama3, mistral, phi3, zephyr, plain) or a Jinja file; "
    "empty: the model's own");
PERENNIAL_FLAG(std::string, device, "where the model runs: cpu, cuda or cuda:N");
PERENNIAL_FLAG(std::string, dtype,
               "auto, float32, bfloat16 or float16 (CUDA only); auto: bfloat16 where the device is fast at it");
ABSL_FLAG(int32_t, threads, 0, "threads of the model on the CPU; 0: all that the affinity mask and cgroup quota allow");
PERENNIAL_FLAG(bool, allow_untrained_length, "allow caches larger than the length that the model was trained for");
PERENNIAL_FLAG(int64_t, template_fuel, "template instructions that one rendering may use");

PERENNIAL_FLAG(std::string, listen, "HOST:PORT; port 0 takes a free one; unix:PATH for a socket file");
PERENNIAL_FLAG(bool, insecure, "allow an address that other machines can reach, without encryption");
PERENNIAL_FLAG(std::string, port_file, "file that receives the bound port once the server is ready; empty: none");

PERENNIAL_FLAG(int32_t, cache_tokens,
               "cache of a session, in tokens, sinks, notes and window together, unless it asks");
PERENNIAL_FLAG(std::optional<int32_t>, sink_tokens,
               "tokens at the start of a session that are never evicted, unless it asks or more is pinned; with 0, and "
               "nothing pinned, the model breaks down once the cache is full");
PERENNIAL_FLAG(std::string, pinned_head,
               "what a session pins unless it asks: system_prompt, system_prompt_start (of a long one, what may be "
               "pinned), sinks_only");
PERENNIAL_FLAG(std::string, eviction, "what a session forgets first unless it asks: turn_wise or token_wise");
PERENNIAL_FLAG(int32_t, max_pinned_tokens, "system prompt that may be pinned, in tokens");
PERENNIAL_FLAG(int32_t, min_window_tokens,
               "window that must be left beside a pinned system prompt and notes, in tokens");
PERENNIAL_ENGINE_FLAG(int32_t, max_note_tokens, "notes that a session may ask for, in tokens; at most max_step_tokens");
PERENNIAL_ENGINE_FLAG(int32_t, evict_notice_tokens,
                      "a client is told so many tokens before a turn begins to be forgotten; 0: never");
PERENNIAL_FLAG(absl::Duration, idle_timeout, "a session is deleted after this long without a turn, unless it asks");
ABSL_FLAG(perennial::ByteSize, cache_memory, perennial::ByteSize{0},
          "memory of all caches together, e.g. 2GiB, allocated once; 0: a quarter of the memory limit, with CUDA of "
          "the GPU's free memory");
ABSL_FLAG(
    perennial::ByteSize, parked_memory, perennial::kAutoSize,
    "host memory for the caches of idle sessions while others need the cache memory, taken as it is used; 0: none "
    "is parked");
ABSL_FLAG(perennial::ByteSize, copy_bytes_per_step, perennial::ByteSize{perennial::EngineOptions().copy_bytes_per_step},
          "of caches that are parked, brought back or forked, between two steps");
PERENNIAL_ENGINE_FLAG(int32_t, max_sessions, "sessions alive at once, whatever the cache memory would allow");
PERENNIAL_ENGINE_FLAG(int32_t, max_opening_tokens, "history of a session, in tokens");
PERENNIAL_ENGINE_FLAG(absl::Duration, max_idle_timeout, "idle_timeout that a session may ask for");
PERENNIAL_ENGINE_FLAG(int32_t, max_labels, "labels of a session");
PERENNIAL_ENGINE_FLAG(int32_t, max_label_bytes, "bytes of a label's key, and of its value");
PERENNIAL_ENGINE_FLAG(int32_t, transcript_turns,
                      "newest turns of a session whose text is kept for GetTranscript, in memory; 0: none");
PERENNIAL_ENGINE_FLAG(int32_t, transcript_bytes, "text kept for it, per session");
PERENNIAL_ENGINE_FLAG(int32_t, max_page_size, "sessions in one page of a listing");

PERENNIAL_SAMPLING_FLAG(float, temperature, "0 … 10; 0 always takes the most likely token");
PERENNIAL_SAMPLING_FLAG(int32_t, top_k, "only the k most likely tokens; 0: off");
PERENNIAL_SAMPLING_FLAG(float, top_p, "(0, 1]: the smallest set of tokens with this probability; 1: off");
PERENNIAL_SAMPLING_FLAG(float, min_p, "[0, 1]: tokens with this fraction of the highest probability; 0: off");
PERENNIAL_SAMPLING_FLAG(float, typical_p, "(0, 1]: the most typical tokens with this probability; 1: off");
PERENNIAL_SAMPLING_FLAG(float, repetition_penalty, "(0, 10]: makes recent tokens less likely; 1: off");
PERENNIAL_SAMPLING_FLAG(float, presence_penalty, "-2 … 2: subtracted from the logit of every recent token; 0: off");
PERENNIAL_SAMPLING_FLAG(float, frequency_penalty, "-2 … 2: subtracted once per recent occurrence; 0: off");
PERENNIAL_SAMPLING_FLAG(int32_t, repetition_window, "newest tokens that count as recent, at most 4096");
PERENNIAL_FLAG(int64_t, max_tokens, "length of a reply in tokens");
PERENNIAL_FLAG(std::string, on_repetition,
               "when a reply repeats itself without end: ignore, report (at its end) or finish it");

PERENNIAL_ENGINE_FLAG(int32_t, max_waiting_turns, "turns waiting in all sessions; then RESOURCE_EXHAUSTED");
PERENNIAL_ENGINE_FLAG(int32_t, max_turns_per_session, "turns waiting in one session; then RESOURCE_EXHAUSTED");
PERENNIAL_ENGINE_FLAG(int32_t, max_prompt_tokens, "message of a turn, in tokens");
PERENNIAL_ENGINE_FLAG(int64_t, max_generated_tokens, "max_tokens that a turn may ask for");
PERENNIAL_ENGINE_FLAG(int64_t, max_session_tokens, "tokens generated in a session's whole life; 0: without limit");
PERENNIAL_ENGINE_FLAG(absl::Duration, max_turn_time, "a turn finishes when it has run for so long; 0: without limit");
PERENNIAL_ENGINE_FLAG(int32_t, max_tenants,
                      "tenants (metadata x-tenant) told apart at once; more share the turn of those who name none");
PERENNIAL_ENGINE_FLAG(int32_t, max_stop_strings, "stop strings of a turn");
PERENNIAL_ENGINE_FLAG(int32_t, max_stop_string_bytes, "bytes of a stop string");
PERENNIAL_ENGINE_FLAG(int32_t, max_stop_tokens, "stop tokens of a turn");
PERENNIAL_ENGINE_FLAG(int32_t, max_logit_biases, "tokens in a turn's logit_bias");
PERENNIAL_ENGINE_FLAG(int32_t, max_top_logprobs, "most likely tokens that a turn may ask for at each token");
PERENNIAL_FLAG(int32_t, max_json_schema_bytes, "bytes of a turn's JSON Schema; 0: none is taken");
PERENNIAL_FLAG(int32_t, max_text_bytes, "bytes of all texts of one request");
PERENNIAL_FLAG(int32_t, inline_text_bytes, "longer texts are rendered on a thread of their own");
PERENNIAL_FLAG(int32_t, max_waiting_texts, "texts waiting for that thread; then RESOURCE_EXHAUSTED");

PERENNIAL_ENGINE_FLAG(int32_t, max_running_turns, "turns decoded together");
PERENNIAL_ENGINE_FLAG(int32_t, max_step_tokens, "tokens in one step of the model, decode and prefill together");
PERENNIAL_ENGINE_FLAG(int32_t, prefill_chunk_tokens, "prompt tokens in one step while others decode");

PERENNIAL_FLAG(int64_t, max_unread_bytes, "held for a client that does not read; its turn then pauses");
ABSL_FLAG(perennial::ByteSize, rpc_memory, perennial::ByteSize{perennial::ServerOptions().rpc_memory},
          "memory for gRPC's own buffers, over all connections");
PERENNIAL_FLAG(int32_t, max_streams_per_connection, "calls at once on one connection; more wait in the client");
PERENNIAL_ENGINE_FLAG(absl::Duration, slow_reader_timeout, "a turn paused for so long ends with ABORTED");
PERENNIAL_ENGINE_FLAG(absl::Duration, detach_timeout,
                      "a turn that may go on without its client ends after so long without any reader");
ABSL_FLAG(
    perennial::ByteSize, replay_bytes, perennial::ByteSize{perennial::EngineOptions().replay_bytes},
    "of one turn's newest events, kept for clients that come back; half of it may wait for them; at least 8 times "
    "max_unread_bytes");
ABSL_FLAG(perennial::ByteSize, kept_replay_bytes, perennial::ByteSize{perennial::EngineOptions().kept_replay_bytes},
          "the same, of all turns that have ended together; the oldest go first");
PERENNIAL_ENGINE_FLAG(int32_t, max_readers_per_turn, "clients that follow one turn at once");
PERENNIAL_ENGINE_FLAG(absl::Duration, request_id_ttl, "a request_id is remembered for so long after its turn's end");
PERENNIAL_ENGINE_FLAG(int32_t, max_request_ids, "request_ids remembered at once; new ones are then refused");
PERENNIAL_ENGINE_FLAG(absl::Duration, heartbeat_interval, "silence towards a client before a heartbeat");
PERENNIAL_ENGINE_FLAG(absl::Duration, retry_after, "hint in RESOURCE_EXHAUSTED when to try again");
PERENNIAL_FLAG(absl::Duration, drain_timeout, "on SIGTERM or SIGINT running turns may finish for so long");
PERENNIAL_FLAG(std::string, log_level, "trace, debug, info, warn, error or off; what users write is never logged");

namespace perennial {
namespace {

struct FlagGroup {
  absl::string_view title;
  std::vector<absl::string_view> names;
};

// The order of --help. A test keeps it complete.
const std::vector<FlagGroup>& FlagGroups() {
  static const auto* const groups = new std::vector<FlagGroup>{
      {"Model", {"model", "chat_template", "device", "dtype", "threads", "allow_untrained_length", "template_fuel"}},
      {"Address", {"listen", "insecure", "port_file"}},
      {"Sessions",
       {"cache_tokens",        "sink_tokens",     "pinned_head",         "eviction",           "max_pinned_tokens",
        "min_window_tokens",   "max_note_tokens", "evict_notice_tokens", "cache_memory",       "parked_memory",
        "copy_bytes_per_step", "idle_timeout",    "max_sessions",        "max_opening_tokens", "max_idle_timeout",
        "max_labels",          "max_label_bytes", "transcript_turns",    "transcript_bytes",   "max_page_size"}},
      {"Replies, where neither the request nor the model's generation_config.json says otherwise",
       {"temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty", "presence_penalty",
        "frequency_penalty", "repetition_window", "max_tokens", "on_repetition"}},
      {"Limits of a turn",
       {"max_waiting_turns", "max_turns_per_session", "max_prompt_tokens", "max_generated_tokens", "max_session_tokens",
        "max_turn_time", "max_tenants", "max_stop_strings", "max_stop_string_bytes", "max_stop_tokens",
        "max_logit_biases", "max_top_logprobs", "max_json_schema_bytes", "max_text_bytes", "inline_text_bytes",
        "max_waiting_texts"}},
      {"Steps", {"max_running_turns", "max_step_tokens", "prefill_chunk_tokens"}},
      {"Streams and shutdown",
       {"max_unread_bytes", "slow_reader_timeout", "detach_timeout", "replay_bytes", "kept_replay_bytes",
        "max_readers_per_turn", "request_id_ttl", "max_request_ids", "heartbeat_interval", "rpc_memory",
        "max_streams_per_connection", "retry_after", "drain_timeout", "log_level"}},
  };
  return *groups;
}

constexpr absl::string_view kExamples = R"(Examples:
  perenniald --model=SmolLM2-135M-Instruct.Q4_1.gguf
      serve on 127.0.0.1:50051; talk to it with: perennial chat
  perenniald --model=llama-3-8b/ --device=cuda --cache_tokens=4096 --cache_memory=16GiB
      each session remembers its system prompt and its newest tokens, 4096 together, for ever
  perenniald --model=m.gguf --listen=127.0.0.1:0 --port_file=port
      take a free port and write it to the file "port" when ready
  perenniald --flagfile=perenniald.flags
      read flags from a file, one --name=value a line; # begins a comment

SIGTERM and SIGINT drain: health says NOT_SERVING, running turns may finish for --drain_timeout; a second signal ends at
once. Exit codes: 0 drained, 1 the start failed, 2 a bad flag, 3 ended by a second signal.
)";

// Left true while absl parses: it ends the process with code 1 for a bad flag, and gives no other way to say 2.
bool parsing = false;

void ExitWithBadFlagsCode() {
  if (!parsing) return;
  std::cerr.flush();
  _exit(kExitBadFlags);
}

void AnswerHelpAndVersion(int argc, char* argv[], const HostLimits& host) {
  for (int i = 1; i < argc; ++i) {
    const absl::string_view argument = argv[i];
    if (argument == "--") return;
    if (argument == "--help" || argument == "-help" || argument == "-h") {
      std::cout << HelpText(host);
      std::exit(kExitOk);
    }
    if (argument == "--version" || argument == "-version") {
      std::cout << "perenniald " << ServerVersion() << "\n";
      std::exit(kExitOk);
    }
  }
}

}  // namespace

ServerOptions OptionsFromFlags(const HostLimits& host) {
  ServerOptions options;
  options.model = absl::GetFlag(FLAGS_model);
  options.chat_template = absl::GetFlag(FLAGS_chat_template);
  options.device = absl::GetFlag(FLAGS_device);
  options.dtype = absl::GetFlag(FLAGS_dtype);
  options.threads = absl::GetFlag(FLAGS_threads);
  if (options.threads == 0) options.threads = host.threads;
  options.allow_untrained_length = absl::GetFlag(FLAGS_allow_untrained_length);
  options.template_fuel = absl::GetFlag(FLAGS_template_fuel);

  options.listen = absl::GetFlag(FLAGS_listen);
  options.insecure = absl::GetFlag(FLAGS_insecure);
  options.port_file = absl::GetFlag(FLAGS_port_file);

  options.cache_tokens = absl::GetFlag(FLAGS_cache_tokens);
  options.sink_tokens = absl::GetFlag(FLAGS_sink_tokens);
  options.pinned_head = absl::GetFlag(FLAGS_pinned_head);
  options.eviction = absl::GetFlag(FLAGS_eviction);
  options.max_pinned_tokens = absl::GetFlag(FLAGS_max_pinned_tokens);
  options.min_window_tokens = absl::GetFlag(FLAGS_min_window_tokens);
  options.idle_timeout = absl::GetFlag(FLAGS_idle_timeout);
  options.cache_memory = absl::GetFlag(FLAGS_cache_memory).bytes;
  if (options.cache_memory == 0 && !UsesCuda(options)) options.cache_memory = DefaultCacheMemoryBytes(host);

  options.sampling.temperature = absl::GetFlag(FLAGS_temperature);
  options.sampling.top_k = absl::GetFlag(FLAGS_top_k);
  options.sampling.top_p = absl::GetFlag(FLAGS_top_p);
  options.sampling.min_p = absl::GetFlag(FLAGS_min_p);
  options.sampling.repetition_penalty = absl::GetFlag(FLAGS_repetition_penalty);
  options.sampling.typical_p = absl::GetFlag(FLAGS_typical_p);
  options.sampling.presence_penalty = absl::GetFlag(FLAGS_presence_penalty);
  options.sampling.frequency_penalty = absl::GetFlag(FLAGS_frequency_penalty);
  options.sampling.repetition_window = absl::GetFlag(FLAGS_repetition_window);
  options.max_tokens = absl::GetFlag(FLAGS_max_tokens);
  options.on_repetition = absl::GetFlag(FLAGS_on_repetition);

  options.max_text_bytes = absl::GetFlag(FLAGS_max_text_bytes);
  options.inline_text_bytes = absl::GetFlag(FLAGS_inline_text_bytes);
  options.max_waiting_texts = absl::GetFlag(FLAGS_max_waiting_texts);
  options.max_json_schema_bytes = absl::GetFlag(FLAGS_max_json_schema_bytes);
  options.max_unread_bytes = absl::GetFlag(FLAGS_max_unread_bytes);
  options.rpc_memory = absl::GetFlag(FLAGS_rpc_memory).bytes;
  options.max_streams_per_connection = absl::GetFlag(FLAGS_max_streams_per_connection);
  options.drain_timeout = absl::GetFlag(FLAGS_drain_timeout);
  options.log_level = absl::GetFlag(FLAGS_log_level);

  EngineOptions& engine = options.engine;
  engine.parked_memory = absl::GetFlag(FLAGS_parked_memory).bytes;
  if (engine.parked_memory == kAutoSize.bytes) engine.parked_memory = DefaultParkedMemoryBytes(host);
  engine.copy_bytes_per_step = absl::GetFlag(FLAGS_copy_bytes_per_step).bytes;
  engine.max_sessions = absl::GetFlag(FLAGS_max_sessions);
  engine.max_waiting_turns = absl::GetFlag(FLAGS_max_waiting_turns);
  engine.max_turns_per_session = absl::GetFlag(FLAGS_max_turns_per_session);
  engine.max_running_turns = absl::GetFlag(FLAGS_max_running_turns);
  engine.max_step_tokens = absl::GetFlag(FLAGS_max_step_tokens);
  engine.prefill_chunk_tokens = absl::GetFlag(FLAGS_prefill_chunk_tokens);
  engine.max_opening_tokens = absl::GetFlag(FLAGS_max_opening_tokens);
  engine.max_prompt_tokens = absl::GetFlag(FLAGS_max_prompt_tokens);
  engine.max_generated_tokens = absl::GetFlag(FLAGS_max_generated_tokens);
  engine.max_note_tokens = absl::GetFlag(FLAGS_max_note_tokens);
  engine.evict_notice_tokens = absl::GetFlag(FLAGS_evict_notice_tokens);
  engine.max_session_tokens = absl::GetFlag(FLAGS_max_session_tokens);
  engine.max_turn_time = absl::GetFlag(FLAGS_max_turn_time);
  engine.max_tenants = absl::GetFlag(FLAGS_max_tenants);
  engine.max_stop_strings = absl::GetFlag(FLAGS_max_stop_strings);
  engine.max_stop_string_bytes = absl::GetFlag(FLAGS_max_stop_string_bytes);
  engine.max_stop_tokens = absl::GetFlag(FLAGS_max_stop_tokens);
  engine.max_logit_biases = absl::GetFlag(FLAGS_max_logit_biases);
  engine.max_top_logprobs = absl::GetFlag(FLAGS_max_top_logprobs);
  engine.max_page_size = absl::GetFlag(FLAGS_max_page_size);
  engine.transcript_turns = absl::GetFlag(FLAGS_transcript_turns);
  engine.transcript_bytes = absl::GetFlag(FLAGS_transcript_bytes);
  engine.max_labels = absl::GetFlag(FLAGS_max_labels);
  engine.max_label_bytes = absl::GetFlag(FLAGS_max_label_bytes);
  engine.max_idle_timeout = absl::GetFlag(FLAGS_max_idle_timeout);
  engine.heartbeat_interval = absl::GetFlag(FLAGS_heartbeat_interval);
  engine.slow_reader_timeout = absl::GetFlag(FLAGS_slow_reader_timeout);
  engine.detach_timeout = absl::GetFlag(FLAGS_detach_timeout);
  engine.replay_bytes = absl::GetFlag(FLAGS_replay_bytes).bytes;
  engine.kept_replay_bytes = absl::GetFlag(FLAGS_kept_replay_bytes).bytes;
  engine.max_readers_per_turn = absl::GetFlag(FLAGS_max_readers_per_turn);
  engine.request_id_ttl = absl::GetFlag(FLAGS_request_id_ttl);
  engine.max_request_ids = absl::GetFlag(FLAGS_max_request_ids);
  engine.retry_after = absl::GetFlag(FLAGS_retry_after);
  return options;
}

absl::StatusOr<ServerOptions> ParseFlags(int argc, char* argv[], const HostLimits& host) {
  AnswerHelpAndVersion(argc, argv, host);
  std::atexit(ExitWithBadFlagsCode);
  parsing = true;
  const std::vector<char*> positional = absl::ParseCommandLine(argc, argv);
  parsing = false;
  if (positional.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", positional[1], "\" is not a flag: write --name=value (perenniald --help lists them)"));
  }
  return OptionsFromFlags(host);
}

std::string HelpText(const HostLimits& host) {
  std::string text = absl::StrCat("perenniald ", ServerVersion(),
                                  ": a chat server whose sessions never fill up.\n\n"
                                  "usage: perenniald --model=PATH [--name=value …]\n");
  for (const FlagGroup& group : FlagGroups()) {
    absl::StrAppend(&text, "\n", group.title, ":\n");
    for (absl::string_view name : group.names) {
      const absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
      std::string default_value = flag->DefaultValue();
      if (name == "threads") default_value = absl::StrCat(host.threads, ", from the ", host.threads_source);
      if (name == "sink_tokens") default_value = "4; 1 for a model that was trained with a sink token";
      if (name == "cache_memory") {
        default_value =
            absl::StrCat(AbslUnparseFlag({DefaultCacheMemoryBytes(host)}), ", from the ", host.memory_source);
      }
      if (name == "parked_memory") {
        default_value =
            absl::StrCat(AbslUnparseFlag({DefaultParkedMemoryBytes(host)}), ", from the ", host.memory_source);
      }
      absl::StrAppend(&text, "  --", name, default_value.empty() ? "" : absl::StrCat("  (", default_value, ")"),
                      "\n      ", flag->Help(), "\n");
    }
  }
  absl::StrAppend(&text, "\n", kExamples);
  return text;
}

std::string ServerVersion() { return PERENNIAL_VERSION; }

}  // namespace perennial
