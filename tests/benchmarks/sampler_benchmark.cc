// How long one token takes to sample, by vocabulary size and parameters, from logits shaped like a language model's.
//
//   sampler_benchmark --benchmark_filter=49152

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

void Run(benchmark::State& state, const SamplingParams& params) {
  const std::vector<float> logits = Logits(state.range(0));
  std::vector<TokenId> recent;
  for (int i = 0; i < 256; ++i) recent.push_back(static_cast<TokenId>(i * 37));
  Sampler sampler(params);
  state.counters["kept"] = static_cast<double>(sampler.Distribution(logits, recent).size());
  for (auto _ : state) benchmark::DoNotOptimize(sampler.Sample(logits, recent));
}

SamplingParams At(float temperature, int32_t top_k = 0, float top_p = 1.0f, float min_p = 0.0f) {
  SamplingParams params;
  params.temperature = temperature;
  params.top_k = top_k;
  params.top_p = top_p;
  params.min_p = min_p;
  return params;
}

SamplingParams WithPenalty(SamplingParams params) {
  params.repetition_penalty = 1.1f;
  return params;
}

void Vocabularies(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(32000)->Arg(49152)->Arg(151936)->Unit(benchmark::kMicrosecond);
}

BENCHMARK_CAPTURE(Run, greedy, At(0.0f))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, all, At(0.7f))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, top_k_40, At(0.7f, 40))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, top_p_95, At(0.7f, 0, 0.95f))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, top_k_40_top_p_95, At(0.7f, 40, 0.95f))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, min_p_5, At(0.7f, 0, 1.0f, 0.05f))->Apply(Vocabularies);
BENCHMARK_CAPTURE(Run, top_k_top_p_min_p_penalty, WithPenalty(At(0.7f, 40, 0.95f, 0.05f)))->Apply(Vocabularies);
// The worst case: hot, so that nearly everything is in the nucleus.
BENCHMARK_CAPTURE(Run, top_p_99_hot, At(5.0f, 0, 0.99f))->Apply(Vocabularies);

}  // namespace
}  // namespace perennial
