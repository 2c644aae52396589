#include "server/request_rules.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "server/engine/error.h"

namespace perennial {
namespace {

GenerationDefaults Generation(float temperature) {
  GenerationDefaults generation;
  generation.temperature = temperature;
  return generation;
}

TEST(RequestRulesTest, TheCheckpointBeatsTheFlags) {
  ServerOptions options;
  options.sampling.temperature = 0.9f;
  options.sampling.top_k = 11;
  options.max_tokens = 100;
  GenerationDefaults generation = Generation(0.2f);
  generation.top_p = 0.5f;
  generation.max_new_tokens = 64;
  const RequestRules rules = MakeRequestRules(options, {}, generation, 4);
  EXPECT_FLOAT_EQ(rules.sampling.temperature, 0.2f);
  EXPECT_FLOAT_EQ(rules.sampling.top_p, 0.5f);
  EXPECT_EQ(rules.sampling.top_k, 11);
  EXPECT_EQ(rules.max_tokens, 64);
}

TEST(RequestRulesTest, SinksAreTheFlagsElseTheModels) {
  ServerOptions options;
  EXPECT_EQ(MakeRequestRules(options, {}, {}, 4).sink_tokens, 4);
  EXPECT_EQ(MakeRequestRules(options, {}, {}, 1).sink_tokens, 1);
  options.sink_tokens = 0;
  EXPECT_EQ(MakeRequestRules(options, {}, {}, 1).sink_tokens, 0);
}

TEST(RequestRulesTest, TheDefaultShapeFitsIntoSmallCaches) {
  ServerOptions options;
  options.cache_tokens = 64;
  EXPECT_EQ(DefaultShape(MakeRequestRules(options, {}, {}, 4)),
            (CacheShape{.sink_tokens = 4, .note_tokens = 0, .window_tokens = 60}));
  options.cache_tokens = 3;
  EXPECT_EQ(DefaultShape(MakeRequestRules(options, {}, {}, 4)),
            (CacheShape{.sink_tokens = 2, .note_tokens = 0, .window_tokens = 1}));
}

TEST(RequestRulesTest, NotSamplingIsGreedy) {
  GenerationDefaults generation = Generation(0.8f);
  EXPECT_FLOAT_EQ(MakeRequestRules({}, {}, generation, 4).sampling.temperature, 0.8f);
  generation.do_sample = true;
  EXPECT_FLOAT_EQ(MakeRequestRules({}, {}, generation, 4).sampling.temperature, 0.8f);
  generation.do_sample = false;
  EXPECT_EQ(MakeRequestRules({}, {}, generation, 4).sampling.temperature, 0);
}

TEST(RequestRulesTest, ABadValueOfTheCheckpointIsIgnored) {
  GenerationDefaults generation = Generation(-1.0f);
  generation.top_k = -5;
  generation.top_p = std::nanf("");
  generation.max_new_tokens = 0;
  const RequestRules rules = MakeRequestRules({}, {}, generation, 4);
  EXPECT_FLOAT_EQ(rules.sampling.temperature, SamplingParams().temperature);
  EXPECT_EQ(rules.sampling.top_k, 0);
  EXPECT_EQ(rules.sampling.top_p, 1.0f);
  EXPECT_EQ(rules.max_tokens, ServerOptions().max_tokens);
}

TEST(RequestRulesTest, TheDefaultLengthIsWithinTheLimit) {
  ServerOptions options;
  options.engine.max_generated_tokens = 50;
  EXPECT_EQ(MakeRequestRules(options, {}, {}, 4).max_tokens, 50);
}

TEST(RequestRulesTest, InFieldNamesTheFieldOfBadInputOnly) {
  EXPECT_EQ(InField("message", absl::InvalidArgumentError("no")).message(), "message: no");
  EXPECT_EQ(ReasonOf(InField("message", absl::InvalidArgumentError("no"))), ErrorReason::kInvalidField);
  EXPECT_EQ(InField("message", absl::InternalError("no")).message(), "no");
}

}  // namespace
}  // namespace perennial
