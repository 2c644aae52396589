#include "model/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace perennial {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<TokenId> TokensOf(absl::Span<const Sampler::Choice> choices) {
  std::vector<TokenId> tokens;
  for (const Sampler::Choice& choice : choices) tokens.push_back(choice.token);
  return tokens;
}

std::vector<TokenId> Kept(const SamplingParams& params, absl::Span<const float> logits,
                          absl::Span<const TokenId> recent = {}, absl::Span<const TokenId> banned = {}) {
  return TokensOf(Sampler(params).Distribution(logits, recent, banned));
}

SamplingParams Plain() {
  SamplingParams params;
  params.temperature = 1.0f;
  return params;
}

SamplingParams Greedy() {
  SamplingParams params;
  params.temperature = 0.0f;
  return params;
}

// Logits like a language model's: most are low and close together, a few stand out. Deterministic.
std::vector<float> SomeLogits(size_t vocab_size, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> logits(vocab_size);
  for (float& logit : logits) {
    const float u = static_cast<float>(random() >> 8) * 0x1p-24f;
    logit = 12.0f * u * u * u * u - 4.0f;
  }
  return logits;
}

// Row and case are those of tests/golden/sampler/make_sampler_golden.py.
TEST(SamplerTest, KeepsWhatTransformersKeeps) {
  std::ifstream file(PERENNIAL_SOURCE_DIR "/tests/golden/sampler/sampler_golden.json");
  const nlohmann::json golden = nlohmann::json::parse(file);
  size_t num_cases = 0;
  for (const nlohmann::json& expected : golden["cases"]) {
    SCOPED_TRACE(expected.dump().substr(0, 200));
    const nlohmann::json& row = golden["rows"][expected["row"].get<size_t>()];
    const auto logits = row["logits"].get<std::vector<float>>();
    const auto recent = row["recent"].get<std::vector<TokenId>>();
    SamplingParams params;
    params.temperature = expected["temperature"];
    params.top_k = expected["top_k"];
    params.top_p = expected["top_p"];
    params.min_p = expected["min_p"];
    params.repetition_penalty = expected["repetition_penalty"];
    params.repetition_window = expected["repetition_window"];
    const std::vector<Sampler::Choice> choices = Sampler(params).Distribution(logits, recent);
    auto tokens = expected["tokens"].get<std::vector<TokenId>>();
    if (tokens.empty()) {  // all
      for (size_t i = 0; i < logits.size(); ++i) tokens.push_back(static_cast<TokenId>(i));
    }
    ASSERT_EQ(TokensOf(choices), tokens);
    const auto probabilities = expected["probabilities"].get<std::vector<double>>();
    for (size_t i = 0; i < probabilities.size(); ++i) {
      ASSERT_NEAR(choices[i].probability, probabilities[i], 1e-6 * probabilities[i] + 1e-9);
    }
    double sum = 0.0;
    double sum_of_squares = 0.0;
    for (const Sampler::Choice& choice : choices) {
      sum += choice.probability;
      sum_of_squares += choice.probability * choice.probability;
    }
    ASSERT_NEAR(sum, 1.0, 1e-6);
    ASSERT_NEAR(sum_of_squares, expected["sum_of_squares"].get<double>(), 1e-6);
    ++num_cases;
  }
  EXPECT_GT(num_cases, 1000u);
}

// The same rules by sorting everything in double, at the size of a real vocabulary and with many equal logits (bfloat16
// has few values).
TEST(SamplerTest, AgreesWithSortingAtFullVocabularySize) {
  for (uint32_t seed = 0; seed < 2; ++seed) {
    std::vector<float> logits = SomeLogits(49152, seed);
    for (float& logit : logits) logit = std::round(logit * 64.0f) / 64.0f;
    std::vector<TokenId> all_in_order(logits.size());
    for (size_t i = 0; i < all_in_order.size(); ++i) all_in_order[i] = static_cast<TokenId>(i);
    const auto logit = [&logits](TokenId token) { return logits[static_cast<size_t>(token)]; };
    std::stable_sort(all_in_order.begin(), all_in_order.end(),
                     [&](TokenId a, TokenId b) { return logit(a) > logit(b); });
    for (int32_t top_k : {0, 1, 40, 800, 5000}) {
      for (float top_p : {0.3f, 0.95f, 0.999f, 1.0f}) {
        for (float min_p : {0.0f, 0.05f}) {
          SamplingParams params = Plain();
          params.temperature = 0.6f + 0.6f * static_cast<float>(seed);
          params.top_k = top_k;
          params.top_p = top_p;
          params.min_p = min_p;

          std::vector<TokenId> order = all_in_order;
          if (top_k > 0) order.resize(static_cast<size_t>(top_k));
          const auto weight = [&](TokenId token) {
            return std::exp((double{logit(token)} - logit(order[0])) / params.temperature);
          };
          double total = 0.0;
          for (TokenId token : order) total += weight(token);
          double mass = 0.0;
          size_t kept = 0;
          while (kept < order.size() && (kept == 0 || top_p == 1.0f || mass < top_p * total)) {
            if (min_p > 0.0f && weight(order[kept]) < min_p) break;
            mass += weight(order[kept++]);
          }
          const std::vector<TokenId> tokens = Kept(params, logits);
          SCOPED_TRACE(testing::Message() << "seed " << seed << " k " << top_k << " p " << top_p << " min " << min_p);
          // Sums in another order: the edge of top_p may move by one or two tokens of the tail.
          ASSERT_NEAR(static_cast<double>(tokens.size()), static_cast<double>(kept), top_p < 1.0f ? 2.0 : 0.0);
          order.resize(tokens.size());
          std::sort(order.begin(), order.end());
          ASSERT_EQ(tokens, order);
        }
      }
    }
  }
}

TEST(SamplerTest, GreedyTakesTheHighestLogitAndTheLowestIdAmongEquals) {
  std::vector<float> logits = SomeLogits(1000, 1);
  logits[700] = logits[130] = logits[999] = 50.0f;
  EXPECT_EQ(Sampler(Greedy()).Sample(logits, {}), 130);
  const std::vector<TokenId> banned = {130};
  EXPECT_EQ(Sampler(Greedy()).Sample(logits, {}, banned), 700);
  EXPECT_THAT(Kept(Greedy(), logits), ElementsAre(130));
}

TEST(SamplerTest, GreedyIgnoresTheOtherParameters) {
  SamplingParams params = Greedy();
  params.top_k = 5;
  params.top_p = 0.1f;
  params.min_p = 0.9f;
  const std::vector<float> logits = SomeLogits(300, 2);
  EXPECT_EQ(Sampler(params).Sample(logits, {}), std::max_element(logits.begin(), logits.end()) - logits.begin());
}

TEST(SamplerTest, TiesAtTheEdgeGoToTheLowestIds) {
  SamplingParams params = Plain();
  params.top_k = 3;
  EXPECT_THAT(Kept(params, {1.0f, 2.0f, 1.0f, 1.0f, 1.0f}), ElementsAre(0, 1, 2));
  params.top_k = 0;
  params.top_p = 0.55f;
  EXPECT_THAT(Kept(params, std::vector<float>(5, 1.0f)), ElementsAre(0, 1, 2));
}

TEST(SamplerTest, AlwaysKeepsTheMostLikelyToken) {
  SamplingParams params = Plain();
  params.top_p = 1e-6f;
  params.min_p = 1.0f;
  EXPECT_THAT(Kept(params, {0.0f, 3.0f, 1.0f}), ElementsAre(1));
}

TEST(SamplerTest, NotANumberIsNeverPicked) {
  for (float temperature : {0.0f, 1e-30f, 1.0f, 10.0f}) {
    SamplingParams params = Plain();
    params.temperature = temperature;
    EXPECT_THAT(Kept(params, {kNaN, -kInfinity, 2.0f, kNaN}), ElementsAre(2));
    EXPECT_EQ(Sampler(params).Sample({kNaN, -kInfinity, 2.0f, kNaN}, {}), 2);
    params.top_k = 3;
    params.top_p = 0.9f;
    EXPECT_THAT(Kept(params, {kNaN, -kInfinity, 2.0f, kNaN}), ElementsAre(2));
  }
}

TEST(SamplerTest, SaysWhenNothingCanBePicked) {
  const std::vector<TokenId> banned = {0, 1, 2, -7, 99};
  for (const SamplingParams& params : {Greedy(), Plain()}) {
    EXPECT_EQ(Sampler(params).Sample(std::vector<float>(200, kNaN), {}), kNoToken);
    EXPECT_EQ(Sampler(params).Sample(std::vector<float>(3, -kInfinity), {}), kNoToken);
    EXPECT_EQ(Sampler(params).Sample({1.0f, 2.0f, 3.0f}, {}, banned), kNoToken);
    EXPECT_EQ(Sampler(params).Sample({}, {}), kNoToken);
    EXPECT_THAT(Kept(params, {1.0f, 2.0f, 3.0f}, {}, banned), IsEmpty());
  }
}

TEST(SamplerTest, InfiniteLogitIsTheLargest) {
  for (const SamplingParams& params : {Greedy(), Plain()}) {
    EXPECT_EQ(Sampler(params).Sample({1.0f, kInfinity, 3.0f, -3.4e38f}, {}), 1);
  }
}

TEST(SamplerTest, BannedTokensAreNeverPicked) {
  const std::vector<TokenId> banned = {3, 1};
  EXPECT_THAT(Kept(Plain(), {1.0f, 9.0f, 1.0f, 9.0f}, {}, banned), ElementsAre(0, 2));
  SamplingParams params = Plain();
  params.top_k = 3;  // more than are left
  EXPECT_THAT(Kept(params, {1.0f, 9.0f, 1.0f, 9.0f}, {}, banned), ElementsAre(0, 2));
}

TEST(SamplerTest, OnlyTheNewestTokensArePenalised) {
  SamplingParams params = Greedy();
  params.repetition_penalty = 2.0f;
  params.repetition_window = 2;
  const std::vector<float> logits = {3.0f, 2.9f, 2.8f, -1.0f};
  EXPECT_EQ(Sampler(params).Sample(logits, {2, 0, 1}), 2);
  EXPECT_EQ(Sampler(params).Sample(logits, {0, 1, 2}), 0);
  // Out of the vocabulary: ignored.
  EXPECT_EQ(Sampler(params).Sample(logits, {-1, 1000}), 0);
  params.repetition_window = 0;
  EXPECT_EQ(Sampler(params).Sample(logits, {0, 0, 0}), 0);
}

TEST(SamplerTest, PenaltyCountsATokenOnceAndPushesNegativeLogitsDown) {
  SamplingParams params = Plain();
  params.repetition_penalty = 2.0f;
  const std::vector<Sampler::Choice> choices = Sampler(params).Distribution({2.0f, -1.0f, 0.0f}, {0, 0, 0, 1, 1});
  const double total = std::exp(1.0) + std::exp(-2.0) + 1.0;
  EXPECT_NEAR(choices[0].probability, std::exp(1.0) / total, 1e-6);
  EXPECT_NEAR(choices[1].probability, std::exp(-2.0) / total, 1e-6);
}

// SplitMix64 with seed 1234567 gives 6457827717110365317, 3203168211198807973, … (its authors' test values); times 16,
// over 16 equally likely tokens, that is this list. It was computed in Python.
TEST(SamplerTest, DrawsWithSplitMix64InTheOrderOfIds) {
  SamplingParams params = Plain();
  params.seed = 1234567;
  const std::vector<float> logits(16, 0.5f);
  std::vector<TokenId> drawn;
  Sampler sampler(params);
  for (int i = 0; i < 24; ++i) drawn.push_back(sampler.Sample(logits, {}));
  EXPECT_THAT(drawn, ElementsAre(5, 2, 8, 3, 14, 6, 9, 4, 7, 13, 6, 7, 9, 3, 5, 2, 11, 0, 9, 1, 1, 1, 2, 11));
  // The same draw where a filter is at work that keeps everything.
  params.min_p = 0.5f;
  Sampler filtered(params);
  for (TokenId token : drawn) EXPECT_EQ(filtered.Sample(logits, {}), token);
}

TEST(SamplerTest, SameSeedGivesTheSameTokens) {
  for (float top_p : {1.0f, 0.95f}) {
    SamplingParams params = Plain();
    params.top_p = top_p;
    params.seed = 99;
    Sampler a(params);
    Sampler b(params);
    params.seed = 100;
    Sampler other(params);
    int differences = 0;
    for (uint32_t i = 0; i < 200; ++i) {
      const std::vector<float> logits = SomeLogits(500, i);
      const TokenId token = a.Sample(logits, {});
      EXPECT_EQ(b.Sample(logits, {}), token);
      differences += other.Sample(logits, {}) != token ? 1 : 0;
    }
    EXPECT_GT(differences, 100);
  }
}

// Pearson's statistic of 10,000 draws against the distribution; with a fixed seed, so it cannot fail by chance. Its
// 1e-6 quantile lies below df + 8 sqrt(df) for the degrees of freedom here.
TEST(SamplerTest, DrawsFollowTheDistribution) {
  constexpr int kDraws = 10000;
  const std::vector<float> logits = SomeLogits(200, 3);
  for (int which = 0; which < 4; ++which) {
    SCOPED_TRACE(which);
    SamplingParams params = Plain();
    params.temperature = 2.0f;
    params.seed = 7;
    if (which == 1) params.top_k = 20;
    if (which == 2) params.top_p = 0.9f;
    if (which == 3) params.min_p = 0.1f;
    Sampler sampler(params);
    const std::vector<Sampler::Choice> choices = sampler.Distribution(logits, {});
    std::vector<int> counts(logits.size());
    for (int i = 0; i < kDraws; ++i) ++counts[static_cast<size_t>(sampler.Sample(logits, {}))];
    double statistic = 0.0;
    int total = 0;
    double bins = 0.0;
    double rest_expected = 0.0;  // unlikely tokens together: the statistic wants at least five expected
    double rest_count = 0.0;
    for (const Sampler::Choice& choice : choices) {
      const double expected = choice.probability * kDraws;
      const int count = counts[static_cast<size_t>(choice.token)];
      total += count;
      if (expected < 5.0) {
        rest_expected += expected;
        rest_count += count;
        continue;
      }
      statistic += (count - expected) * (count - expected) / expected;
      ++bins;
    }
    if (rest_expected > 0.0) {
      statistic += (rest_count - rest_expected) * (rest_count - rest_expected) / std::max(rest_expected, 5.0);
    }
    EXPECT_EQ(total, kDraws) << "a token outside of the distribution was drawn";
    EXPECT_GT(bins, 10.0);
    EXPECT_LT(statistic, bins + 8.0 * std::sqrt(bins));
  }
}

TEST(SamplerTest, OnlyAllowedTokensArePicked) {
  std::vector<float> logits(100, 1.0f);
  logits[70] = 9.0f;
  logits[40] = 8.0f;
  // Tokens 3, 40 and 69; nothing is said about those from 96 on, so they are not allowed.
  const std::vector<uint32_t> allowed = {1u << 3, 1u << 8, 1u << 5};
  const SamplingInput input = {.logits = logits, .recent = {}, .banned = {}, .allowed = allowed, .breakers = {}};
  EXPECT_EQ(Sampler(Greedy()).Sample(input), 40);
  EXPECT_THAT(TokensOf(Sampler(Plain()).Distribution(input)), ElementsAre(3, 40, 69));
  const std::vector<TokenId> banned = {40};
  const SamplingInput both = {.logits = logits, .recent = {}, .banned = banned, .allowed = allowed, .breakers = {}};
  EXPECT_THAT(TokensOf(Sampler(Plain()).Distribution(both)), ElementsAre(3, 69));
}

TEST(SamplerTest, PicksNothingWhereNothingIsAllowed) {
  const std::vector<float> logits(100, 1.0f);
  const std::vector<uint32_t> allowed = {0, 0, 0, 0};
  const SamplingInput input = {.logits = logits, .recent = {}, .banned = {}, .allowed = allowed, .breakers = {}};
  for (const SamplingParams& params : {Greedy(), Plain()}) EXPECT_EQ(Sampler(params).Sample(input), kNoToken);
}

TEST(SamplerTest, LogprobsAreOfAllTokensBeforeTemperature) {
  for (float temperature : {0.0f, 0.25f, 4.0f}) {
    SamplingParams params = Plain();
    params.temperature = temperature;
    params.top_k = 2;
    Sampler sampler(params);
    const std::vector<float> logits = {1.0f, 3.0f, kNaN, 2.0f, 3.0f, 0.0f};
    const std::vector<TokenId> banned = {3};
    const TokenId chosen = sampler.Sample(logits, {}, banned);
    const Logprobs logprobs = sampler.LogprobsOf(chosen, 3);
    const double log_mass = std::log(std::exp(1.0) + 2 * std::exp(3.0) + 1.0);
    EXPECT_EQ(logprobs.chosen.token, chosen);
    EXPECT_NEAR(logprobs.chosen.logprob, 3.0 - log_mass, 1e-6);
    ASSERT_EQ(logprobs.top.size(), 3u);
    EXPECT_EQ(logprobs.top[0].token, 1);  // of equals the lowest id
    EXPECT_EQ(logprobs.top[1].token, 4);
    EXPECT_EQ(logprobs.top[2].token, 0);
    EXPECT_NEAR(logprobs.top[2].logprob, 1.0 - log_mass, 1e-6);
  }
}

TEST(SamplerTest, TopLogprobsAreAsManyAsThereAre) {
  Sampler sampler(Plain());
  const TokenId chosen = sampler.Sample({1.0f, -kInfinity, 1.0f}, {});
  EXPECT_EQ(sampler.LogprobsOf(chosen, 20).top.size(), 2u);
  EXPECT_TRUE(sampler.LogprobsOf(chosen, 0).top.empty());
}

// A typical token is one of middling likelihood where the most likely ones are too likely.
TEST(SamplerTest, TypicalPMayDropTheMostLikelyToken) {
  SamplingParams params = Plain();
  params.typical_p = 0.2f;
  std::vector<float> logits(1000, 0.0f);
  logits[5] = 6.0f;  // 0.29 of the mass, information 1.2; the others 7.2; expected 5.5
  const std::vector<TokenId> kept = Kept(params, logits);
  EXPECT_THAT(kept, testing::Not(testing::Contains(5)));
  EXPECT_EQ(kept.size(), 281u);
}

TEST(SamplerTest, LogitsOfTheLastCallLeaveNoTrace) {
  SamplingParams params = Plain();
  params.top_p = 0.9f;
  Sampler sampler(params);
  sampler.Distribution(SomeLogits(5000, 1), {});
  EXPECT_EQ(TokensOf(sampler.Distribution(SomeLogits(70, 2), {})), Kept(params, SomeLogits(70, 2)));
}

}  // namespace
}  // namespace perennial
