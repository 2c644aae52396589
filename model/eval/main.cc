// perennial-eval: measures a model under sink-window attention. README and --help say how.

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "model/checkpoint/checkpoint.h"
#include "model/eval/perplexity.h"
#include "model/eval/report.h"
#include "model/eval/text_tokens.h"
#include "model/text/tokenizer.h"
#include "model/torch/torch_model_runner.h"

ABSL_FLAG(std::string, model, "", "The model: a GGUF file or a Hugging Face directory.");
ABSL_FLAG(std::string, text, "", "The text to predict, a UTF-8 file.");
ABSL_FLAG(int64_t, tokens, 4000, "How many of the text's first tokens to use.");
ABSL_FLAG(int32_t, sink_tokens, 4, "Sinks: first tokens that are never evicted (--attention=sinks).");
ABSL_FLAG(int32_t, cache_tokens, 1024, "Size of the cache in tokens, sinks included (not for --attention=dense).");
ABSL_FLAG(
    std::string, attention, "sinks",
    "What a token sees. sinks: the sinks and the newest tokens. dense: everything before it. recompute: the newest "
    "cache_tokens tokens, computed anew for every token (slow; the paper's baseline).");
ABSL_FLAG(
    std::string, eviction, "token_wise",
    "What is evicted (--attention=sinks). token_wise: the oldest token. turn_wise: the window begins at the start of "
    "a turn where that keeps half of it.");
ABSL_FLAG(int32_t, turn_tokens, 256, "Tokens of a turn (--eviction=turn_wise).");
ABSL_FLAG(std::string, dtype, "float32", "float32, bfloat16, auto, or float16 on CUDA.");
ABSL_FLAG(std::string, device, "cpu", "cpu, cuda or cuda:N.");
ABSL_FLAG(int32_t, threads, 0, "CPU threads; 0: all processors.");
ABSL_FLAG(int32_t, chunk_tokens, 128, "Tokens per step; changes speed and memory, not results.");
ABSL_FLAG(bool, bos, false, "Put the model's BOS token before the text.");
ABSL_FLAG(bool, allow_untrained_length, false, "Accept a cache larger than the model was trained for.");
ABSL_FLAG(bool, json, false, "Print one JSON object on standard output, everything else on standard error.");

namespace perennial {
namespace {

constexpr char kUsage[] =
    "measures how well a model predicts a text with a bounded cache.\n\n"
    "  perennial-eval perplexity --model=PATH --text=FILE [--tokens=N] [--sink_tokens=S] [--cache_tokens=C]\n"
    "                 [--attention=sinks|dense|recompute] [--dtype=float32] [--json]\n\n"
    "Example: what are four sinks worth?\n"
    "  perennial-eval perplexity --model=model.gguf --text=book.txt --tokens=4000 --cache_tokens=512 --sink_tokens=0\n"
    "  perennial-eval perplexity --model=model.gguf --text=book.txt --tokens=4000 --cache_tokens=512 "
    "--sink_tokens=4\n\n"
    "The second half of the text is where the cache has overflowed: compare perplexity_second_half (lower is better).";

absl::StatusOr<std::vector<TokenId>> ReadTokens(const Checkpoint& checkpoint) {
  auto tokenizer = Tokenizer::Create(checkpoint.tokenizer(), checkpoint.chat_template());
  if (!tokenizer.ok()) return tokenizer.status();
  const bool bos = absl::GetFlag(FLAGS_bos);
  if (bos && !checkpoint.config().bos_token.has_value()) {
    return absl::InvalidArgumentError("--bos: the model has no BOS token");
  }
  auto tokens = FirstTokens(absl::GetFlag(FLAGS_text), absl::GetFlag(FLAGS_tokens) - (bos ? 1 : 0),
                            [&](absl::string_view text) { return (*tokenizer)->EncodeText(text); });
  if (tokens.ok() && bos) tokens->insert(tokens->begin(), *checkpoint.config().bos_token);
  return tokens;
}

// Memory for one cache of this shape in the widest number type, in whole blocks.
int64_t CacheMemory(const ModelConfig& config, const CacheShape& shape) {
  constexpr int64_t kRoundUp = 64;
  const int64_t slot_bytes = int64_t{2} * config.num_layers * config.num_kv_heads * config.head_size * 4;
  return (shape.capacity() + kRoundUp) * slot_bytes;
}

absl::Status RunPerplexity() {
  if (absl::GetFlag(FLAGS_model).empty()) return absl::InvalidArgumentError("--model is missing");
  if (absl::GetFlag(FLAGS_text).empty()) return absl::InvalidArgumentError("--text is missing");
  PerplexityOptions options;
  auto attention = ParseEvalAttention(absl::GetFlag(FLAGS_attention));
  if (!attention.ok()) return attention.status();
  options.attention = *attention;
  auto eviction = ParseEvictionPolicy(absl::GetFlag(FLAGS_eviction));
  if (!eviction.ok()) return eviction.status();
  options.eviction = *eviction;
  options.turn_tokens = absl::GetFlag(FLAGS_turn_tokens);
  options.sink_tokens = absl::GetFlag(FLAGS_sink_tokens);
  options.cache_tokens = absl::GetFlag(FLAGS_cache_tokens);
  options.chunk_tokens = absl::GetFlag(FLAGS_chunk_tokens);
  auto shape = EvalCacheShape(options, absl::GetFlag(FLAGS_tokens));
  if (!shape.ok()) return shape.status();

  auto checkpoint = Checkpoint::Open(absl::GetFlag(FLAGS_model));
  if (!checkpoint.ok()) return checkpoint.status();
  auto tokens = ReadTokens(**checkpoint);
  if (!tokens.ok()) return tokens.status();

  TorchOptions torch;
  torch.device = absl::GetFlag(FLAGS_device);
  torch.dtype = absl::GetFlag(FLAGS_dtype);
  torch.cache_memory_bytes = CacheMemory((*checkpoint)->config(), *shape);
  torch.max_tokens_per_step = options.chunk_tokens;
  torch.allow_untrained_length = absl::GetFlag(FLAGS_allow_untrained_length);
  torch.num_threads = absl::GetFlag(FLAGS_threads);
  auto runner = CreateTorchModelRunner(**checkpoint, torch);
  if (!runner.ok()) return runner.status();
  std::fprintf(stderr, "%s\n", (*runner)->Description().c_str());

  const absl::Time start = absl::Now();
  if (isatty(STDERR_FILENO) != 0) {
    options.progress = [start](int64_t done, int64_t total) {
      std::fprintf(stderr, "\r%s\033[K%s", ProgressBar(done, total, absl::Now() - start).c_str(),
                   done == total ? "\n" : "");
    };
  }
  auto result = MeasurePerplexity(**runner, *tokens, options);
  if (!result.ok()) return result.status();
  const absl::Duration elapsed = absl::Now() - start;
  if (absl::GetFlag(FLAGS_json)) {
    std::printf("%s\n", PerplexityJson(*result, elapsed).c_str());
  } else {
    std::fputs(PerplexityText(*result, elapsed).c_str(), stdout);
  }
  return absl::OkStatus();
}

absl::Status Run(const std::vector<char*>& arguments) {
  if (arguments.size() != 2 || absl::string_view(arguments[1]) != "perplexity") {
    return absl::InvalidArgumentError("say what to measure: perennial-eval perplexity … (--help explains)");
  }
  return RunPerplexity();
}

}  // namespace
}  // namespace perennial

int main(int argc, char** argv) {
  absl::FlagsUsageConfig usage;
  usage.contains_help_flags = [](absl::string_view file) { return absl::EndsWith(file, "model/eval/main.cc"); };
  absl::SetFlagsUsageConfig(usage);
  absl::SetProgramUsageMessage(perennial::kUsage);
  const std::vector<char*> arguments = absl::ParseCommandLine(argc, argv);
  // Before anything uses torch. Why it failed is only of interest if CUDA is asked for.
  if (absl::StartsWith(absl::GetFlag(FLAGS_device), "cuda")) {
    const absl::Status cuda = perennial::LoadTorchCuda();
    if (!cuda.ok()) std::fprintf(stderr, "perennial-eval: %s\n", std::string(cuda.message()).c_str());
  }
  const absl::Status status = perennial::Run(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "perennial-eval: %s\n", std::string(status.message()).c_str());
  constexpr int kUsageError = 2;
  return status.code() == absl::StatusCode::kInvalidArgument ? kUsageError : 1;
}
