#include "model/sampling_params.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace perennial {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(SamplingParamsTest, AcceptsTheEdgesOfEveryRange) {
  EXPECT_TRUE(ValidateSamplingParams({}).ok());
  SamplingParams params = {.temperature = 10.0f,
                           .top_k = 0,
                           .top_p = 1.0f,
                           .min_p = 1.0f,
                           .repetition_penalty = 10.0f,
                           .repetition_window = 4096,
                           .seed = ~uint64_t{0},
                           .typical_p = 1.0f,
                           .presence_penalty = 2.0f,
                           .frequency_penalty = 2.0f,
                           .dry = {.multiplier = 100.0f, .base = 10.0f, .allowed_length = 4096},
                           .logit_bias = {{3, 100.0f}, {4, -100.0f}}};
  EXPECT_TRUE(ValidateSamplingParams(params).ok());
  params = {.temperature = 0.0f,
            .top_k = 1 << 30,
            .top_p = 1e-9f,
            .min_p = 0.0f,
            .repetition_penalty = 1e-9f,
            .repetition_window = 0,
            .seed = 0,
            .typical_p = 1e-9f,
            .presence_penalty = -2.0f,
            .frequency_penalty = -2.0f,
            .dry = {.multiplier = 0.0f, .base = 1.0f, .allowed_length = 1},
            .logit_bias = {}};
  EXPECT_TRUE(ValidateSamplingParams(params).ok());
}

TEST(SamplingParamsTest, NamesTheFieldTheValueAndTheLimit) {
  const auto message = [](void (*change)(SamplingParams&)) {
    SamplingParams params;
    change(params);
    const absl::Status status = ValidateSamplingParams(params);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_EQ(message([](SamplingParams& p) { p.temperature = 10.5f; }), "sampling.temperature: 10.5 is not in [0, 10]");
  EXPECT_THAT(message([](SamplingParams& p) { p.temperature = -0.5f; }), HasSubstr(": -0.5 is not in"));
  EXPECT_THAT(message([](SamplingParams& p) { p.temperature = kNaN; }), HasSubstr("sampling.temperature: nan is "));
  EXPECT_THAT(message([](SamplingParams& p) { p.top_k = -1; }), StartsWith("sampling.top_k: -1 is "));
  EXPECT_THAT(message([](SamplingParams& p) { p.top_p = 0.0f; }), StartsWith("sampling.top_p: 0 is "));
  EXPECT_THAT(message([](SamplingParams& p) { p.top_p = 1.5f; }), StartsWith("sampling.top_p: 1.5 is not in (0, 1]"));
  EXPECT_THAT(message([](SamplingParams& p) { p.top_p = kNaN; }), StartsWith("sampling.top_p: nan is "));
  EXPECT_THAT(message([](SamplingParams& p) { p.min_p = -0.1f; }), StartsWith("sampling.min_p: -0.1 is "));
  EXPECT_THAT(message([](SamplingParams& p) { p.min_p = kNaN; }), StartsWith("sampling.min_p: nan is "));
  EXPECT_THAT(message([](SamplingParams& p) { p.repetition_penalty = 0.0f; }),
              StartsWith("sampling.repetition_penalty: 0 is "));
  EXPECT_THAT(message([](SamplingParams& p) { p.repetition_penalty = kNaN; }),
              StartsWith("sampling.repetition_penalty: nan is "));
  EXPECT_THAT(message([](SamplingParams& p) { p.repetition_window = 4097; }),
              StartsWith("sampling.repetition_window: 4097 is "));
  EXPECT_EQ(message([](SamplingParams& p) { p.typical_p = 0.0f; }), "sampling.typical_p: 0 is not in (0, 1]");
  EXPECT_THAT(message([](SamplingParams& p) { p.typical_p = kNaN; }), StartsWith("sampling.typical_p: nan is "));
  EXPECT_EQ(message([](SamplingParams& p) { p.presence_penalty = 2.5f; }),
            "sampling.presence_penalty: 2.5 is not in [-2, 2]");
  EXPECT_THAT(message([](SamplingParams& p) { p.frequency_penalty = -2.5f; }),
              StartsWith("sampling.frequency_penalty: -2.5 is "));
  EXPECT_THAT(message([](SamplingParams& p) { p.dry.multiplier = -1.0f; }),
              StartsWith("sampling.dry.multiplier: -1 is not in [0, 100]"));
  EXPECT_THAT(message([](SamplingParams& p) { p.dry.base = 0.5f; }), StartsWith("sampling.dry.base: 0.5 is "));
  EXPECT_THAT(message([](SamplingParams& p) { p.dry.allowed_length = 0; }),
              StartsWith("sampling.dry.allowed_length: 0 is "));
  EXPECT_EQ(message([](SamplingParams& p) {
              p.logit_bias = {{7, 1.0f}, {9, 101.0f}};
            }),
            "sampling.logit_bias[9]: 101 is not in [-100, 100]");
}

TEST(SamplingParamsTest, KnowsWhatNeedsTheRecentTokens) {
  EXPECT_FALSE(SamplingParams().needs_recent());
  SamplingParams params;
  params.repetition_penalty = 1.1f;
  EXPECT_TRUE(params.needs_recent());
  params = {};
  params.presence_penalty = -0.5f;
  EXPECT_TRUE(params.needs_recent());
  params = {};
  params.frequency_penalty = 0.5f;
  EXPECT_TRUE(params.needs_recent());
  params = {};
  params.dry.multiplier = 0.8f;
  EXPECT_TRUE(params.needs_recent());
}

}  // namespace
}  // namespace perennial
