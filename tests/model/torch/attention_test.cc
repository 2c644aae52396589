// Sink-window attention past the capacity, against the definition computed token by token in float64
// (tests/golden/logits/make_sink_window_logits.py).

#include "model/torch/attention.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "model/torch/attention_plan.h"
#include "model/torch/decoder_network.h"
#include "model/torch/kv_cache_pool.h"
#include "model/torch/step_tensors.h"
#include "model/torch/weights.h"
#include "tests/model/torch/golden_stream.h"

namespace perennial {
namespace {

constexpr float kTolerance = 1e-4f;

// Plays one case in chunks. Returns the largest difference to the golden rows.
float Play(const nlohmann::json& scenario, size_t chunk) {
  ModelConfig config = SmallConfig();
  config.layers.assign(2, {.window_tokens = scenario["layer_window"].get<int32_t>(), .rope = 0});
  return PlayScenario(*MakeSmallRunner(FormulaCheckpoint(config)), scenario, chunk);
}

TEST(AttentionTest, LogitsPastTheCapacityEqualTheDefinition) {
  const nlohmann::json golden = ReadGolden("sink_window.json");
  ASSERT_EQ(golden["cases"].size(), 11u);
  for (const nlohmann::json& scenario : golden["cases"]) {
    for (const size_t chunk : {1, 3, 8, 40}) {
      EXPECT_LE(Play(scenario, chunk), kTolerance) << scenario["name"] << ", chunks of " << chunk;
    }
  }
}

// The same for the stream of the case "four_sinks", token by token and below the runner, so that a plan can be spoiled.
float PlayPlans(const nlohmann::json& scenario, void (*spoil)(AttentionPlan&)) {
  c10::InferenceMode inference;
  const ModelConfig config = SmallConfig();
  auto weights = LoadNetworkWeights(FormulaCheckpoint(config), at::kFloat, at::kCPU);
  auto pool =
      KvCachePool::Create({config.num_layers, config.num_kv_heads, config.head_size, at::kFloat}, at::kCPU, 1 << 16);
  const CacheShape shape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = scenario["window_tokens"]};
  auto blocks = (*pool)->Take(shape.capacity());
  const DecoderNetwork network(config, *std::move(weights));
  const std::vector<TokenId> tokens = scenario["steps"][0]["feed"];
  const std::vector<int64_t> window_begin = scenario["steps"][0]["window_begin"];
  LogitTable table;
  for (size_t t = 0; t < tokens.size(); ++t) {
    PlannedInput input = {
        blocks->get(),
        shape.capacity(),
        absl::MakeConstSpan(tokens).subspan(t, 1),
        {PlanStream(shape, static_cast<int64_t>(t), 0, absl::MakeConstSpan(window_begin).subspan(t, 1), {})}};
    spoil(input.plans[0]);
    const StepTensors step = MakeStepTensors({input}, network.ropes(), at::kCPU);
    const at::Tensor logits = network.Logits(network.Forward(step, **pool)).contiguous();
    table.emplace_back(logits.data_ptr<float>(), logits.data_ptr<float>() + logits.numel());
  }
  float largest = 0.0f;
  for (const nlohmann::json& row : scenario["steps"][0]["rows"]) {
    largest = std::max(largest, RowDifference(table.at(row["row"]), row["logits"]));
  }
  return largest;
}

// What the tolerance can tell apart.
TEST(AttentionTest, PlantedMistakesAreFound) {
  const nlohmann::json golden = ReadGolden("sink_window.json");
  for (nlohmann::json scenario : golden["cases"]) {
    if (scenario["name"] == "four_sinks") {
      EXPECT_LE(PlayPlans(scenario, [](AttentionPlan&) {}), kTolerance);
      // The head at its place in the text instead of its place in the cache.
      EXPECT_GT(PlayPlans(scenario, [](AttentionPlan& plan) { plan.places = plan.indices; }), 20 * kTolerance);
      // The head one place too near.
      EXPECT_GT(PlayPlans(scenario, [](AttentionPlan& plan) { plan.places[0] -= 1; }), 20 * kTolerance);
      // The last query's b for its whole chunk, and one more token seen than the definition says.
      for (nlohmann::json& step : scenario["steps"]) {
        for (size_t t = 14; t < step["window_begin"].size(); ++t) {
          step["window_begin"][t] = step["window_begin"][t].get<int64_t>() + 1;
        }
      }
      EXPECT_GT(Play(scenario, 40), 20 * kTolerance);
    }
    if (scenario["name"] == "layer_window") {
      scenario["layer_window"] = 0;
      EXPECT_GT(Play(scenario, 1), 20 * kTolerance);
    }
    if (scenario["name"] == "notes") {
      // Another place for the head's notes: one sink less, one windowed token more.
      scenario["steps"][1]["notes"].erase(0);
      EXPECT_GT(Play(scenario, 1), 20 * kTolerance);
    }
  }
}

// One query of one head over its chunk's two keys, with values (1, 0) and (0, 1): the result is the two weights.
std::vector<float> Weights(const ScoreRule& rule, const at::Tensor& distances = {}) {
  auto pool = KvCachePool::Create({1, 1, 2, at::kFloat}, at::kCPU, 1 << 12);
  AttentionRows rows;
  rows.queries_by_index = at::tensor(std::vector<float>{0, 0, 1, 2}, at::kFloat).view({2, 1, 2});
  rows.keys = at::tensor(std::vector<float>{3, 0, 0, 1}, at::kFloat).view({2, 1, 2});  // scores 3 and 2
  rows.values = at::tensor(std::vector<float>{1, 0, 0, 1}, at::kFloat).view({2, 1, 2});
  AttentionInput input;
  input.num_rows = 2;
  input.num_keys = 2;
  input.distances = distances;
  const at::Tensor mixed = Attend(input, rows, **pool, 0, rule);
  return {mixed[1][0].item<float>(), mixed[1][1].item<float>()};
}

void ExpectWeights(const std::vector<float>& weights, double first, double second, double denominator) {
  EXPECT_NEAR(weights[0], first / denominator, 1e-6);
  EXPECT_NEAR(weights[1], second / denominator, 1e-6);
}

TEST(AttentionTest, ScoresBecomeWeightsByTheRule) {
  const double e3 = std::exp(3.0), e2 = std::exp(2.0);
  ExpectWeights(Weights({}), e3, e2, e3 + e2);
  ScoreRule rule;
  rule.zero_sink = true;
  ExpectWeights(Weights(rule), e3, e2, 1 + e3 + e2);
  rule = {};
  rule.scale = 0.5;
  ExpectWeights(Weights(rule), std::exp(1.5), std::exp(1.0), std::exp(1.5) + std::exp(1.0));
  rule = {};
  rule.softcap = 2.0;
  const double c3 = std::exp(2 * std::tanh(1.5)), c2 = std::exp(2 * std::tanh(1.0));
  ExpectWeights(Weights(rule), c3, c2, c3 + c2);
  rule = {};
  rule.slopes = at::full({1, 1, 1, 1}, 0.25f);
  const at::Tensor distances = at::tensor(std::vector<float>{0, -1, 6, 0}, at::kFloat).view({2, 2});
  const double a3 = std::exp(3.0 - 0.25 * 6);
  ExpectWeights(Weights(rule, distances), a3, e2, a3 + e2);
}

TEST(AttentionTest, RotatesPairsOfBothHalves) {
  const at::Tensor vectors = at::arange(4, at::kFloat).view({1, 1, 4});  // pairs (0, 2) and (1, 3)
  const at::Tensor zero = at::full({1, 1, 2}, 0.0f);
  const at::Tensor one = at::full({1, 1, 2}, 1.0f);
  const at::Tensor quarter_turn = Rotate(vectors, zero, one);
  const std::vector<float> expected = {-2, -3, 0, 1};
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(quarter_turn.view({4})[i].item<float>(), expected[static_cast<size_t>(i)]);
}

TEST(AttentionTest, LeavesWhatDoesNotRotate) {
  const at::Tensor vectors = at::arange(5, at::kFloat).view({1, 1, 5});  // the pair (0, 1); 2, 3 and 4 stay
  const at::Tensor quarter_turn = Rotate(vectors, at::full({1, 1, 1}, 0.0f), at::full({1, 1, 1}, 1.0f));
  const std::vector<float> expected = {-1, 0, 2, 3, 4};
  for (int64_t i = 0; i < 5; ++i) EXPECT_EQ(quarter_turn.view({5})[i].item<float>(), expected[static_cast<size_t>(i)]);
}

}  // namespace
}  // namespace perennial
