#include "server/engine/sampling_checks.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fake_token_constraint.h"

namespace perennial {
namespace {

const RunnerLimits kRunner = {.vocab_size = 100, .max_tokens_per_step = 512, .max_cache_tokens = 2048};

EngineOptions Options() {
  EngineOptions options;
  options.max_stop_tokens = 2;
  options.max_logit_biases = 2;
  options.max_top_logprobs = 5;
  options.max_generated_tokens = 50;
  return options;
}

std::string Message(const std::function<void(TurnSpec&)>& change) {
  TurnSpec spec;
  spec.max_tokens = 10;
  change(spec);
  const absl::Status status = CheckSampling(spec, Options(), kRunner);
  if (!status.ok()) EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidField);
  return std::string(status.message());
}

std::shared_ptr<TokenConstraint> Constraint() {
  return std::make_shared<FakeTokenConstraint>(std::vector<std::string>{"a"});
}

TEST(SamplingChecksTest, AcceptsTheEdges) {
  EXPECT_EQ(Message([](TurnSpec&) {}), "");
  EXPECT_EQ(Message([](TurnSpec& s) { s.stop_tokens = {0, 99}; }), "");
  EXPECT_EQ(Message([](TurnSpec& s) { s.sampling.logit_bias = {{0, 1.0f}, {99, -100.0f}}; }), "");
  EXPECT_EQ(Message([](TurnSpec& s) { s.min_tokens = 10; }), "");
  EXPECT_EQ(Message([](TurnSpec& s) { s.max_tokens = 0, s.min_tokens = 50; }), "");
  EXPECT_EQ(Message([](TurnSpec& s) { s.top_logprobs = 0; }), "");
  EXPECT_EQ(Message([](TurnSpec& s) { s.top_logprobs = 5; }), "");
  EXPECT_EQ(Message([](TurnSpec& s) { s.constraint = Constraint(), s.top_logprobs = 5; }), "");
}

TEST(SamplingChecksTest, NamesTheFieldTheValueAndTheLimit) {
  EXPECT_EQ(Message([](TurnSpec& s) { s.sampling.top_p = 2; }), "sampling.top_p: 2 is not in (0, 1]");
  EXPECT_EQ(Message([](TurnSpec& s) {
              s.stop_tokens = {1, 2, 3};
            }),
            "sampling.stop_tokens: has 3, must have at most 2 (max_stop_tokens)");
  EXPECT_EQ(Message([](TurnSpec& s) {
              s.stop_tokens = {1, 100};
            }),
            "sampling.stop_tokens[1]: token 100 is not in [0, 100)");
  EXPECT_EQ(Message([](TurnSpec& s) {
              s.sampling.logit_bias = {{1, 0.0f}, {2, 0.0f}, {3, 0.0f}};
            }),
            "sampling.logit_bias: has 3, must have at most 2 (max_logit_biases)");
  EXPECT_EQ(Message([](TurnSpec& s) {
              s.sampling.logit_bias = {{-1, 0.0f}};
            }),
            "sampling.logit_bias: token -1 is not in [0, 100)");
  EXPECT_EQ(Message([](TurnSpec& s) { s.min_tokens = 11; }), "sampling.min_tokens: 11 is not in [0, 10] (max_tokens)");
  EXPECT_EQ(Message([](TurnSpec& s) { s.max_tokens = 0, s.min_tokens = 51; }),
            "sampling.min_tokens: 51 is not in [0, 50] (max_generated_tokens)");
  EXPECT_EQ(Message([](TurnSpec& s) { s.min_tokens = -1; }), "sampling.min_tokens: -1 is not in [0, 10] (max_tokens)");
  EXPECT_EQ(Message([](TurnSpec& s) { s.top_logprobs = 6; }),
            "sampling.top_logprobs: 6 is not in [0, 5] (max_top_logprobs)");
  EXPECT_EQ(Message([](TurnSpec& s) { s.top_logprobs = -1; }),
            "sampling.top_logprobs: -1 is not in [0, 5] (max_top_logprobs)");
}

TEST(SamplingChecksTest, RefusesWhatDoesNotGoTogether) {
  const auto message = [](const std::function<void(TurnSpec&)>& change) {
    return Message([&change](TurnSpec& spec) {
      spec.constraint = Constraint();
      change(spec);
    });
  };
  EXPECT_EQ(message([](TurnSpec& s) { s.ignore_end_of_turn = true; }),
            "sampling.json_schema: does not go with ignore_end_of_turn");
  EXPECT_EQ(message([](TurnSpec& s) { s.stop_strings = {"a"}; }), "sampling.json_schema: does not go with stop");
  EXPECT_EQ(message([](TurnSpec& s) { s.stop_tokens = {1}; }),
            "sampling.json_schema: does not go with sampling.stop_tokens");
  EXPECT_EQ(message([](TurnSpec& s) { s.min_tokens = 1; }),
            "sampling.json_schema: does not go with sampling.min_tokens");
  EXPECT_EQ(message([](TurnSpec& s) {
              s.sampling.logit_bias = {{1, 5.0f}, {2, -100.0f}};
            }),
            "sampling.json_schema: does not go with a sampling.logit_bias of -100");
}

}  // namespace
}  // namespace perennial
