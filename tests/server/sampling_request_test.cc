#include "server/sampling_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "server/engine/error.h"

namespace perennial {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

RequestRules Rules() {
  ServerOptions options;
  options.engine.max_stop_tokens = 2;
  options.engine.max_logit_biases = 2;
  options.engine.max_top_logprobs = 5;
  options.max_json_schema_bytes = 20;
  options.sampling.presence_penalty = 0.5f;
  return MakeRequestRules(options, {.vocab_size = 100, .max_cache_tokens = 2048}, {}, 4);
}

TurnSpec Turn() {
  TurnSpec turn;
  turn.max_tokens = 10;
  return turn;
}

TEST(SamplingRequestTest, UnsetFieldsAreTheServersDefaults) {
  TurnSpec turn = Turn();
  ASSERT_TRUE(ReadSampling({}, Rules(), 7, turn).ok());
  EXPECT_EQ(turn.sampling.seed, 7u);
  EXPECT_EQ(turn.sampling.presence_penalty, 0.5f);
  EXPECT_EQ(turn.sampling.typical_p, 1.0f);
  EXPECT_EQ(turn.sampling.dry.multiplier, 0.0f);
  EXPECT_THAT(turn.sampling.logit_bias, IsEmpty());
  EXPECT_THAT(turn.stop_tokens, IsEmpty());
  EXPECT_EQ(turn.min_tokens, 0);
  EXPECT_FALSE(turn.top_logprobs.has_value());
}

TEST(SamplingRequestTest, SetFieldsWin) {
  v1::Sampling request;
  request.set_typical_p(0.25f);
  request.set_presence_penalty(0);
  request.set_frequency_penalty(-1);
  (*request.mutable_logit_bias())[9] = 1.5f;
  (*request.mutable_logit_bias())[3] = -100;
  request.add_stop_tokens(8);
  request.add_stop_tokens(0);
  request.set_min_tokens(4);
  request.set_top_logprobs(0);
  TurnSpec turn = Turn();
  ASSERT_TRUE(ReadSampling(request, Rules(), 7, turn).ok());
  EXPECT_EQ(turn.sampling.typical_p, 0.25f);
  EXPECT_EQ(turn.sampling.presence_penalty, 0.0f);
  EXPECT_EQ(turn.sampling.frequency_penalty, -1.0f);
  ASSERT_EQ(turn.sampling.logit_bias.size(), 2u);
  EXPECT_EQ(turn.sampling.logit_bias[0].token, 3);
  EXPECT_EQ(turn.sampling.logit_bias[1].bias, 1.5f);
  EXPECT_THAT(turn.stop_tokens, ElementsAre(8, 0));
  EXPECT_EQ(turn.min_tokens, 4);
  EXPECT_EQ(turn.top_logprobs, 0);
}

TEST(SamplingRequestTest, DryIsOnWhereItIsSet) {
  v1::Sampling request;
  request.mutable_dry();
  TurnSpec turn = Turn();
  ASSERT_TRUE(ReadSampling(request, Rules(), 7, turn).ok());
  EXPECT_EQ(turn.sampling.dry.multiplier, 0.8f);
  EXPECT_EQ(turn.sampling.dry.base, 1.75f);
  EXPECT_EQ(turn.sampling.dry.allowed_length, 2);
  request.mutable_dry()->set_multiplier(0);
  ASSERT_TRUE(ReadSampling(request, Rules(), 7, turn).ok());
  EXPECT_EQ(turn.sampling.dry.multiplier, 0.0f);
}

TEST(SamplingRequestTest, EveryBadFieldIsNamedWithItsValueAndLimit) {
  struct Case {
    std::string message;
    std::function<void(v1::Sampling&, TurnSpec&)> spoil;
  };
  const Case cases[] = {
      {"sampling.typical_p: 0 is not in (0, 1]", [](v1::Sampling& r, TurnSpec&) { r.set_typical_p(0); }},
      {"sampling.presence_penalty: 3 is not in [-2, 2]", [](v1::Sampling& r, TurnSpec&) { r.set_presence_penalty(3); }},
      {"sampling.frequency_penalty: -3 is not in [-2, 2]",
       [](v1::Sampling& r, TurnSpec&) { r.set_frequency_penalty(-3); }},
      {"sampling.dry.multiplier: 101 is not in [0, 100]",
       [](v1::Sampling& r, TurnSpec&) { r.mutable_dry()->set_multiplier(101); }},
      {"sampling.dry.base: 0.5 is not in [1, 10]", [](v1::Sampling& r, TurnSpec&) { r.mutable_dry()->set_base(0.5f); }},
      {"sampling.dry.allowed_length: 0 is not in [1, 4096]",
       [](v1::Sampling& r, TurnSpec&) { r.mutable_dry()->set_allowed_length(0); }},
      {"sampling.dry.base: has no effect where sampling.dry.multiplier is 0",
       [](v1::Sampling& r, TurnSpec&) { r.mutable_dry()->set_multiplier(0), r.mutable_dry()->set_base(2); }},
      {"sampling.dry.allowed_length: has no effect where sampling.dry.multiplier is 0",
       [](v1::Sampling& r, TurnSpec&) { r.mutable_dry()->set_multiplier(0), r.mutable_dry()->set_allowed_length(2); }},
      {"sampling.logit_bias[5]: 101 is not in [-100, 100]",
       [](v1::Sampling& r, TurnSpec&) { (*r.mutable_logit_bias())[5] = 101; }},
      {"sampling.logit_bias: token 100 is not in [0, 100)",
       [](v1::Sampling& r, TurnSpec&) { (*r.mutable_logit_bias())[100] = 1; }},
      {"sampling.logit_bias: 3 tokens are more than 2 (max_logit_biases)",
       [](v1::Sampling& r, TurnSpec&) {
         for (int i = 0; i < 3; ++i) (*r.mutable_logit_bias())[i] = 1;
       }},
      {"sampling.stop_tokens: has 3, must have at most 2 (max_stop_tokens)",
       [](v1::Sampling& r, TurnSpec&) {
         for (int i = 0; i < 3; ++i) r.add_stop_tokens(i);
       }},
      {"sampling.min_tokens: 11 is not in [0, 10] (max_tokens)",
       [](v1::Sampling& r, TurnSpec&) { r.set_min_tokens(11); }},
      {"sampling.top_logprobs: 6 is not in [0, 5] (max_top_logprobs)",
       [](v1::Sampling& r, TurnSpec&) { r.set_top_logprobs(6); }},
      {"sampling.json_schema: 21 bytes are more than 20 (max_json_schema_bytes)",
       [](v1::Sampling& r, TurnSpec&) { r.set_json_schema(std::string(21, ' ')); }},
      {"sampling.json_schema: does not go with stop",
       [](v1::Sampling& r, TurnSpec& t) { r.set_json_schema("{}"), t.stop_strings = {"a"}; }},
      {"sampling.json_schema: does not go with sampling.min_tokens",
       [](v1::Sampling& r, TurnSpec&) { r.set_json_schema("{}"), r.set_min_tokens(1); }},
      {"sampling.json_schema: does not go with sampling.stop_tokens",
       [](v1::Sampling& r, TurnSpec&) { r.set_json_schema("{}"), r.add_stop_tokens(1); }},
      {"sampling.json_schema: does not go with ignore_end_of_turn",
       [](v1::Sampling& r, TurnSpec& t) { r.set_json_schema("{}"), t.ignore_end_of_turn = true; }},
  };
  for (const Case& bad : cases) {
    v1::Sampling request;
    TurnSpec turn = Turn();
    bad.spoil(request, turn);
    const absl::Status status = ReadSampling(request, Rules(), 7, turn);
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidField) << bad.message;
    EXPECT_EQ(status.message(), bad.message);
  }
}

}  // namespace
}  // namespace perennial
