// How long JSON Schema constraints take with the default model's vocabulary: compiling one (text thread), and going on
// by one token (engine thread, between two steps of every session).
//
//   constraint_benchmark

#include <benchmark/benchmark.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "model/check.h"
#include "model/checkpoint/checkpoint.h"
#include "model/text/json_constraint.h"
#include "model/text/tokenizer.h"

namespace perennial {
namespace {

const Tokenizer& DefaultTokenizer() {
  static const Tokenizer& tokenizer = *[] {
    auto checkpoint = Checkpoint::Open(PERENNIAL_SOURCE_DIR "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf");
    PERENNIAL_CHECK(checkpoint.ok());
    return Tokenizer::Create((*checkpoint)->tokenizer(), (*checkpoint)->chat_template())->release();
  }();
  return tokenizer;
}

// Two texts and two numbers; then a list of 200 names, any JSON, and a pattern.
const char* const kSchemas[] = {
    R"({"type":"object","properties":{"city":{"type":"string"},"country":{"type":"string"},"people":{"type":"integer"},
        "area":{"type":"number"}},"required":["city","country","people","area"],"additionalProperties":false})",
    nullptr,
    R"({"type":"object"})",
    R"({"type":"array","items":{"type":"string","pattern":"^[A-Z][a-z]{2,20}( [A-Z][a-z]{2,20}){0,3}$"},"minItems":50})",
};

std::string Schema(int64_t which) {
  if (kSchemas[which] != nullptr) return kSchemas[which];
  std::string names;
  for (int i = 0; i < 200; ++i) names += (i == 0 ? "\"name " : ",\"name ") + std::to_string(i * 7919) + "\"";
  return R"({"type":"array","items":{"enum":[)" + names + R"(]},"minItems":50})";
}

void Compile(benchmark::State& state) {
  const std::string schema = Schema(state.range(0));
  PERENNIAL_CHECK(MakeJsonConstraint(DefaultTokenizer(), schema).ok());  // prepares the vocabulary
  for (auto _ : state) benchmark::DoNotOptimize(MakeJsonConstraint(DefaultTokenizer(), schema));
}

void Accept(benchmark::State& state) {
  const std::string schema = Schema(state.range(0));
  std::mt19937 random(1);
  std::unique_ptr<TokenConstraint> constraint;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<TokenId> allowed;
    while (allowed.empty()) {
      if (constraint == nullptr) constraint = *MakeJsonConstraint(DefaultTokenizer(), schema);
      for (size_t word = 0; word < constraint->allowed().size(); ++word) {
        for (uint32_t bits = constraint->allowed()[word]; bits != 0; bits &= bits - 1) {
          allowed.push_back(static_cast<TokenId>(word * 32) + __builtin_ctz(bits));
        }
      }
      if (allowed.empty()) constraint.reset();
    }
    const TokenId token = allowed[random() % allowed.size()];
    state.ResumeTiming();
    PERENNIAL_CHECK(constraint->Accept(token).ok());
  }
}

BENCHMARK(Compile)->DenseRange(0, 3)->Unit(benchmark::kMillisecond);
BENCHMARK(Accept)->DenseRange(0, 3)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace perennial
