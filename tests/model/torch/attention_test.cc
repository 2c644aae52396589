// Sink-window attention past the capacity, against the definition computed token by token in float64
// (tests/golden/logits/make_sink_window_logits.py).

#include "model/torch/attention.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "model/torch/attention_plan.h"
#include "model/torch/kv_cache_pool.h"
#include "model/torch/llama_network.h"
#include "model/torch/step_tensors.h"
#include "model/torch/weights.h"
#include "tests/model/torch/golden_stream.h"

namespace perennial {
namespace {

constexpr float kTolerance = 1e-4f;

// Plays one case in chunks. Returns the largest difference to the golden rows.
float Play(const nlohmann::json& scenario, size_t chunk) {
  ModelConfig config = SmallConfig();
  config.layer_window_tokens = scenario["layer_window"];
  const auto runner = MakeSmallRunner(FormulaCheckpoint(config));
  const CacheShape shape = {.sink_tokens = scenario["sink_tokens"],
                            .note_tokens = scenario["note_tokens"],
                            .window_tokens = scenario["window_tokens"]};
  auto cache = runner->NewCache(shape);
  if (!cache.ok()) ADD_FAILURE() << cache.status();
  float largest = 0.0f;
  for (const nlohmann::json& step : scenario["steps"]) {
    if (step.contains("feed")) {
      const std::vector<TokenId> tokens = step["feed"];
      const std::vector<int64_t> window_begin = step["window_begin"];
      const LogitTable table = FeedAll(*runner, **cache, tokens, window_begin, chunk);
      for (const nlohmann::json& row : step["rows"]) {
        largest = std::max(largest, RowDifference(table.at(row["row"]), row["logits"]));
      }
    } else if (step.contains("notes")) {
      const std::vector<TokenId> tokens = step["notes"];
      StepOutput output;
      const absl::Status status = runner->Step({StepInput{.cache = cache->get(),
                                                          .part = Part::kNotes,
                                                          .tokens = tokens,
                                                          .window_begin = {},
                                                          .rows = LogitRows::kNone}},
                                               output);
      if (!status.ok()) ADD_FAILURE() << status;
    } else {
      const absl::Status status = runner->Truncate(**cache, step["rewind"]);
      if (!status.ok()) ADD_FAILURE() << status;
    }
  }
  return largest;
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
  auto weights = LoadLlamaWeights(FormulaCheckpoint(config), at::kFloat, at::kCPU);
  auto pool =
      KvCachePool::Create({config.num_layers, config.num_kv_heads, config.head_size, at::kFloat}, at::kCPU, 1 << 16);
  const CacheShape shape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = scenario["window_tokens"]};
  auto blocks = (*pool)->Take(shape.capacity());
  const LlamaNetwork network(config, *std::move(weights));
  const std::vector<TokenId> tokens = scenario["steps"][0]["feed"];
  const std::vector<int64_t> window_begin = scenario["steps"][0]["window_begin"];
  LogitTable table;
  for (size_t t = 0; t < tokens.size(); ++t) {
    PlannedInput input = {
        blocks->get(), absl::MakeConstSpan(tokens).subspan(t, 1),
        PlanStream(shape, static_cast<int64_t>(t), 0, absl::MakeConstSpan(window_begin).subspan(t, 1), 0)};
    spoil(input.plan);
    const StepTensors step = MakeStepTensors({input}, network.rope(), at::kCPU);
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

TEST(AttentionTest, RotatesPairsOfBothHalves) {
  const at::Tensor vectors = at::arange(4, at::kFloat).view({1, 1, 4});  // pairs (0, 2) and (1, 3)
  const at::Tensor zero = at::full({1, 1, 2}, 0.0f);
  const at::Tensor one = at::full({1, 1, 2}, 1.0f);
  const at::Tensor quarter_turn = Rotate(vectors, zero, one);
  const std::vector<float> expected = {-2, -3, 0, 1};
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(quarter_turn.view({4})[i].item<float>(), expected[static_cast<size_t>(i)]);
}

}  // namespace
}  // namespace perennial
