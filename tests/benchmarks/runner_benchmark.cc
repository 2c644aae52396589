// How long the torch runner's steps take with the default model, on the device that PERENNIAL_TEST_DEVICE names: one
// token for each of many sessions whose caches are full (decode), and one session's prompt in one step (prefill).
//
//   PERENNIAL_TEST_DEVICE=cuda runner_benchmark --benchmark_filter=Decode/bfloat16

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/checkpoint/checkpoint.h"
#include "model/model_runner.h"
#include "model/sink_window.h"
#include "model/torch/torch_model_runner.h"
#include "tests/model/torch/test_device.h"

namespace perennial {
namespace {

constexpr char kDefaultModel[] = PERENNIAL_SOURCE_DIR "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf";
constexpr CacheShape kShape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 1020};
constexpr int64_t kStepTokens = 512;
constexpr int64_t kMaxSessions = 64;

// The runner of this type, kept until another is asked for; nullptr, and the benchmark skipped, if there is none.
ModelRunner* RunnerOf(const std::string& dtype, benchmark::State& state) {
  static std::string made_dtype;
  static std::unique_ptr<ModelRunner> runner;
  if (runner != nullptr && made_dtype == dtype) return runner.get();
  runner.reset();
  const auto checkpoint = Checkpoint::Open(kDefaultModel);
  if (!checkpoint.ok()) {
    state.SkipWithError(std::string(checkpoint.status().message()).c_str());
    return nullptr;
  }
  TorchOptions options;
  options.device = TestDevice();
  options.dtype = dtype;
  options.cache_memory_bytes = int64_t{3} << 30;  // for kMaxSessions in float32
  options.max_tokens_per_step = kStepTokens;
  auto made = CreateTorchModelRunner(**checkpoint, options);
  if (!made.ok()) {
    state.SkipWithError(std::string(made.status().message()).c_str());
    return nullptr;
  }
  made_dtype = dtype;
  runner = *std::move(made);
  return runner.get();
}

// Token ids that are no text, but cost what text costs.
std::vector<TokenId> SomeTokens(int64_t first, int64_t count) {
  std::vector<TokenId> tokens;
  for (int64_t i = first; i < first + count; ++i) tokens.push_back(static_cast<TokenId>(1000 + i * 37 % 40000));
  return tokens;
}

struct Stream {
  std::unique_ptr<KvCache> cache;
  SinkWindow window{kShape, EvictionPolicy::kTokenWise};
  std::vector<TokenId> tokens;
  std::vector<int64_t> window_begin;

  StepInput Next(int64_t count) {
    tokens = SomeTokens(window.num_tokens(), count);
    window_begin = window.Advance(count);
    return {.cache = cache.get(), .tokens = tokens, .window_begin = window_begin, .rows = LogitRows::kLast};
  }
};

void Decode(benchmark::State& state, const std::string& dtype) {
  ModelRunner* const runner = RunnerOf(dtype, state);
  if (runner == nullptr) return;
  StepOutput output;
  std::vector<Stream> streams(static_cast<size_t>(state.range(0)));
  // Past the capacity, so that every token reads a full cache and overwrites its oldest slot.
  Stream& first = streams[0];
  first.cache = runner->NewCache(kShape).value();
  absl::Status status;
  while (status.ok() && first.window.num_tokens() < kShape.capacity() + kStepTokens) {
    status = runner->Step({first.Next(kStepTokens)}, output);
  }
  for (size_t i = 1; i < streams.size(); ++i) {
    streams[i].cache = runner->Clone(*first.cache).value();
    streams[i].window = first.window;
  }
  for (auto _ : state) {
    std::vector<StepInput> batch;
    for (Stream& stream : streams) batch.push_back(stream.Next(1));
    if (status.ok()) status = runner->Step(batch, output);
  }
  if (!status.ok()) state.SkipWithError(std::string(status.message()).c_str());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void Prefill(benchmark::State& state, const std::string& dtype) {
  ModelRunner* const runner = RunnerOf(dtype, state);
  if (runner == nullptr) return;
  StepOutput output;
  absl::Status status;
  Stream stream;
  stream.cache = runner->NewCache(kShape).value();
  for (auto _ : state) {
    stream.window = SinkWindow(kShape, EvictionPolicy::kTokenWise);
    if (status.ok()) status = runner->Truncate(*stream.cache, 0);
    if (status.ok()) status = runner->Step({stream.Next(state.range(0))}, output);
  }
  if (!status.ok()) state.SkipWithError(std::string(status.message()).c_str());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void Sessions(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("sessions")->Arg(1)->Arg(8)->Arg(kMaxSessions)->Unit(benchmark::kMillisecond)->UseRealTime();
}

void Tokens(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("tokens")->Arg(64)->Arg(kStepTokens)->Unit(benchmark::kMillisecond)->UseRealTime();
}

BENCHMARK_CAPTURE(Decode, float32, "float32")->Apply(Sessions);
BENCHMARK_CAPTURE(Prefill, float32, "float32")->Apply(Tokens);
BENCHMARK_CAPTURE(Decode, bfloat16, "bfloat16")->Apply(Sessions);
BENCHMARK_CAPTURE(Prefill, bfloat16, "bfloat16")->Apply(Tokens);

}  // namespace
}  // namespace perennial
