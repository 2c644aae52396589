// How long one token takes to sample, by vocabulary size and parameters, from logits shaped like a language model's.
//
//   sampler_benchmark --benchmark_filter=49152 --benchmark_repetitions=20 --benchmark_enable_random_interleaving

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "model/sampler.h"

namespace perennial {
namespace {

// A broad hump of unlikely tokens and a tail of likely ones, about as real logits lie at temperature 1: the ten most
// likely tokens have most of the mass, the nucleus of 0.95 has a few dozen.
std::vector<float> Logits(int64_t vocab_size) {
  std::mt19937 random(1);
  std::vector<float> logits(static_cast<size_t>(vocab_size));
  for (float& logit : logits) {
    float sum = 0.0f;
    for (int i = 0; i < 4; ++i) sum += static_cast<float>(random() >> 8) * 0x1p-24f;
    logit = 4.0f * (sum - 2.0f);
  }
  for (int i = 0; i < 200; ++i) {
    logits[random() % logits.size()] = 5.0f + 12.0f * static_cast<float>(random() >> 8) * 0x1p-24f;
  }
  return logits;
}

// A stream that repeats itself now and then.
std::vector<TokenId> Recent(int32_t count) {
  std::vector<TokenId> recent;
  for (int32_t i = 0; i < count; ++i) recent.push_back((i % 97) * 37 + i % 11);
  return recent;
}

void Run(benchmark::State& state, const SamplingParams& params) {
  const std::vector<float> logits = Logits(state.range(0));
  const std::vector<TokenId> recent = Recent(params.repetition_window);
  Sampler sampler(params);
  state.counters["kept"] = static_cast<double>(sampler.Distribution(logits, recent).size());
  for (auto _ : state) benchmark::DoNotOptimize(sampler.Sample(logits, recent));
}

// With the log-probabilities of the 20 most likely tokens.
void RunLogprobs(benchmark::State& state, const SamplingParams& params) {
  const std::vector<float> logits = Logits(state.range(0));
  Sampler sampler(params);
  for (auto _ : state) {
    const TokenId token = sampler.Sample(logits, {});
    benchmark::DoNotOptimize(sampler.LogprobsOf(token, 20));
  }
}

// With half of the tokens allowed, as a grammar does it.
void RunAllowed(benchmark::State& state, const SamplingParams& params) {
  const std::vector<float> logits = Logits(state.range(0));
  const std::vector<uint32_t> allowed(logits.size() / 32 + 1, 0x5a5a5a5a);
  Sampler sampler(params);
  const SamplingInput input = {.logits = logits, .recent = {}, .banned = {}, .allowed = allowed, .breakers = {}};
  for (auto _ : state) benchmark::DoNotOptimize(sampler.Sample(input));
}

SamplingParams At(float temperature, int32_t top_k = 0, float top_p = 1.0f, float min_p = 0.0f) {
  SamplingParams params;
  params.temperature = temperature;
  params.top_k = top_k;
  params.top_p = top_p;
  params.min_p = min_p;
  return params;
}

SamplingParams WithPenalties(SamplingParams params, int32_t window) {
  params.repetition_penalty = 1.1f;
  params.presence_penalty = 0.25f;
  params.frequency_penalty = 0.25f;
  params.repetition_window = window;
  return params;
}

SamplingParams WithDry(SamplingParams params, int32_t window) {
  params.dry.multiplier = 0.8f;
  params.repetition_window = window;
  return params;
}

SamplingParams WithTypical(SamplingParams params) {
  params.typical_p = 0.95f;
  return params;
}

void Vocabularies(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(32000)->Arg(49152)->Arg(151936)->Arg(256000)->Unit(benchmark::kMicrosecond);
}

BENCHMARK_CAPTURE(Run, greedy, At(0.0f))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, all, At(0.7f))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, top_k_40, At(0.7f, 40))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, top_p_95, At(0.7f, 0, 0.95f))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, top_k_40_top_p_95, At(0.7f, 40, 0.95f))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, min_p_5, At(0.7f, 0, 1.0f, 0.05f))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, top_k_top_p_penalties_256, WithPenalties(At(0.7f, 40, 0.95f), 256))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, top_k_top_p_penalties_4096, WithPenalties(At(0.7f, 40, 0.95f), 4096))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, top_k_top_p_dry_256, WithDry(At(0.7f, 40, 0.95f), 256))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, top_k_top_p_dry_4096, WithDry(At(0.7f, 40, 0.95f), 4096))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, typical_p_95, WithTypical(At(0.7f)))->Apply(Vocabularies);
BENCHMARK_CAPTURE(RunLogprobs, top_k_40, At(0.7f, 40))->Apply(Vocabularies);
BENCHMARK_CAPTURE(RunAllowed, top_k_40, At(0.7f, 40))->Apply(Vocabularies);
// The worst case: hot, so that nearly everything is in the nucleus.
BENCHMARK_CAPTURE(Run, top_p_99_hot, At(5.0f, 0, 0.99f))->Apply(Vocabularies);

}  // namespace
}  // namespace perennial
