// Penalties, DRY, logit bias, typical-p and log-probabilities against tests/golden/sampler/make_penalties_golden.py,
// and the corners that it does not reach. Through Sampler: penalties alone pick nothing.

#include "model/penalties.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "model/sampler.h"

namespace perennial {
namespace {

SamplingParams ParamsOf(const nlohmann::json& expected) {
  SamplingParams params;
  params.temperature = expected.value("temperature", 1.0f);
  params.top_k = expected.value("top_k", 0);
  params.typical_p = expected.value("typical_p", 1.0f);
  params.top_p = expected.value("top_p", 1.0f);
  params.min_p = expected.value("min_p", 0.0f);
  params.repetition_penalty = expected.value("repetition_penalty", 1.0f);
  params.repetition_window = expected.value("repetition_window", 256);
  params.presence_penalty = expected.value("presence_penalty", 0.0f);
  params.frequency_penalty = expected.value("frequency_penalty", 0.0f);
  params.dry.multiplier = expected.value("dry_multiplier", 0.0f);
  params.dry.base = expected.value("dry_base", 1.75f);
  params.dry.allowed_length = expected.value("dry_allowed_length", 2);
  for (const auto& [token, bias] : expected.value("logit_bias", std::vector<std::pair<TokenId, float>>())) {
    params.logit_bias.push_back({token, bias});
  }
  return params;
}

TEST(PenaltiesTest, AgreesWithTheDefinitions) {
  std::ifstream file(PERENNIAL_SOURCE_DIR "/tests/golden/sampler/penalties_golden.json");
  const nlohmann::json golden = nlohmann::json::parse(file);
  size_t num_cases = 0;
  for (const nlohmann::json& expected : golden["cases"]) {
    SCOPED_TRACE(expected.dump().substr(0, 300));
    const nlohmann::json& row = golden["rows"][expected["row"].get<size_t>()];
    const auto logits = row["logits"].get<std::vector<float>>();
    const auto recent = row["recent"].get<std::vector<TokenId>>();
    const auto breakers = expected.value("breakers", std::vector<TokenId>());
    const SamplingInput input = {.logits = logits, .recent = recent, .banned = {}, .allowed = {}, .breakers = breakers};
    Sampler sampler(ParamsOf(expected));
    const std::vector<Sampler::Choice> choices = sampler.Distribution(input);
    auto tokens = expected["tokens"].get<std::vector<TokenId>>();
    if (tokens.empty()) {  // all
      for (size_t i = 0; i < logits.size(); ++i) tokens.push_back(static_cast<TokenId>(i));
    }
    ASSERT_EQ(choices.size(), tokens.size());
    const auto probabilities = expected["probabilities"].get<std::vector<double>>();
    double sum_of_squares = 0.0;
    for (size_t i = 0; i < choices.size(); ++i) {
      ASSERT_EQ(choices[i].token, tokens[i]);
      if (i < probabilities.size()) {
        ASSERT_NEAR(choices[i].probability, probabilities[i], 3e-6 * probabilities[i] + 1e-9);
      }
      sum_of_squares += choices[i].probability * choices[i].probability;
    }
    ASSERT_NEAR(sum_of_squares, expected["sum_of_squares"].get<double>(), 2e-6);

    const auto top = expected["top"].get<std::vector<std::pair<TokenId, double>>>();
    const TokenId chosen = sampler.Sample(input);
    const Logprobs logprobs = sampler.LogprobsOf(chosen, static_cast<int32_t>(top.size()));
    ASSERT_EQ(logprobs.top.size(), top.size());
    for (size_t i = 0; i < top.size(); ++i) {
      ASSERT_EQ(logprobs.top[i].token, top[i].first);
      ASSERT_NEAR(logprobs.top[i].logprob, top[i].second, 1e-5);
    }
    ++num_cases;
  }
  EXPECT_GT(num_cases, 900u);
}

// The logits after the penalties.
std::vector<float> After(const SamplingParams& params, const std::vector<float>& logits,
                         const std::vector<TokenId>& recent, const std::vector<TokenId>& breakers = {}) {
  LogitBlocks blocks;
  Penalties penalties;
  blocks.Assign(logits);
  penalties.Apply(params, recent, breakers, blocks);
  return std::vector<float>(blocks.data(), blocks.data() + logits.size());
}

TEST(PenaltiesTest, DryMatchesTheLongestEarlierOccurrence) {
  SamplingParams params;
  params.dry = {.multiplier = 1.0f, .base = 2.0f, .allowed_length = 1};
  // … 2 3 [4] … 3 [5] … 2 3: token 4 would continue a sequence of two, token 5 one of one.
  const std::vector<float> logits = After(params, std::vector<float>(8, 0.0f), {2, 3, 4, 3, 5, 2, 3});
  EXPECT_THAT(logits, testing::ElementsAre(0, 0, 0, 0, -2, -1, 0, 0));
}

TEST(PenaltiesTest, DryCountsOverlappingRepetitions) {
  SamplingParams params;
  params.dry = {.multiplier = 1.0f, .base = 2.0f, .allowed_length = 2};
  // Four times token 1: three of them precede one.
  EXPECT_THAT(After(params, {0.0f, 0.0f, 0.0f}, {1, 1, 1, 1}), testing::ElementsAre(0, -2, 0));
}

TEST(PenaltiesTest, HugePenaltiesStayFinite) {
  SamplingParams params;
  params.dry = {.multiplier = 100.0f, .base = 10.0f, .allowed_length = 1};
  params.repetition_window = 4096;
  params.presence_penalty = 2.0f;
  const std::vector<TokenId> recent(4096, 1);
  EXPECT_THAT(After(params, {0.0f, 3.0e38f, 0.0f}, recent), testing::ElementsAre(0, -LogitBlocks::kLargest, 0));
}

TEST(PenaltiesTest, ImpossibleTokensStayImpossible) {
  SamplingParams params;
  params.presence_penalty = -2.0f;
  params.dry.multiplier = 1.0f;
  params.logit_bias = {{0, 100.0f}, {1, 1.0f}, {77, 1.0f}, {-1, 1.0f}};
  const float never = -std::numeric_limits<float>::infinity();
  EXPECT_THAT(After(params, {never, 0.0f, never}, {2, 0, 2, 99, -5}), testing::ElementsAre(never, 1.0f, never));
}

TEST(PenaltiesTest, LeavesNoTraceForTheNextRow) {
  SamplingParams params;
  params.frequency_penalty = 1.0f;
  params.dry = {.multiplier = 1.0f, .base = 2.0f, .allowed_length = 1};
  LogitBlocks blocks;
  Penalties penalties;
  for (size_t size : {200u, 3u, 200u}) {
    blocks.Assign(std::vector<float>(size, 0.0f));
    penalties.Apply(params, {1, 2, 1, 2}, {}, blocks);
    // Token 1: twice, and it would continue "1 2" (2 tokens).
    EXPECT_EQ(blocks.Get(1), -4.0f);
    EXPECT_EQ(blocks.Get(2), -2.0f);
  }
}

}  // namespace
}  // namespace perennial
