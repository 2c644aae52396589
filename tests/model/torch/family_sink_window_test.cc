// Every kind of position past the capacity (RoPE, whole and partial, ALiBi, layers with windows of their own), in every
// kind of block, against the definition computed token by token in float64 (tests/golden/families/sink_window).

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/model/torch/golden_family.h"

namespace perennial {
namespace {

using nlohmann::json;

constexpr float kTolerance = 1e-4f;
constexpr char kFolder[] = PERENNIAL_SOURCE_DIR "/tests/golden/families/sink_window";

// The model of a file: a checkpoint of another one, its config.json changed.
GoldenCheckpoint MakeModel(const json& golden, const json& planted = {}) {
  const json checkpoint =
      ReadGoldenFamily(std::filesystem::path(golden["checkpoint"].get<std::string>()).stem().string());
  json config = checkpoint["config"];
  if (golden.contains("change")) config.merge_patch(golden["change"]);
  if (!planted.is_null()) config.merge_patch(planted);
  return MakeHuggingFaceCheckpoint(config, GoldenTensors(checkpoint));
}

json ReadFile(const std::filesystem::path& path) {
  std::ifstream stream(path);
  return json::parse(stream);
}

TEST(FamilySinkWindowTest, StreamsPastTheCapacityEqualTheDefinition) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    const json golden = ReadFile(entry.path());
    const GoldenCheckpoint model = MakeModel(golden);
    ASSERT_NE(model.checkpoint, nullptr) << golden["name"];
    const auto runner = MakeSmallRunner(*model.checkpoint);
    float largest = 0.0f;
    for (const json& scenario : golden["cases"]) {
      for (const size_t chunk : {1, 8, 100}) {
        const float difference = PlayScenario(*runner, scenario, chunk);
        EXPECT_LE(difference, kTolerance) << golden["name"] << ", " << scenario["name"] << ", chunks of " << chunk;
        largest = std::max(largest, difference);
      }
    }
    RecordProperty(golden["name"], std::to_string(largest));
    ++count;
  }
  EXPECT_GE(count, 12u);
}

// What the tolerance can tell apart.
TEST(FamilySinkWindowTest, PlantedMistakesAreFound) {
  const auto difference = [](const std::string& file, const json& planted) {
    const json golden = ReadFile(std::string(kFolder) + "/" + file + ".json");
    const GoldenCheckpoint model = MakeModel(golden, planted);
    return PlayScenario(*MakeSmallRunner(*model.checkpoint), golden["cases"][0], 8);
  };
  EXPECT_GT(difference("gpt_neox", {{"rope_parameters", {{"partial_rotary_factor", 0.5}}}}), 1e-3f);
  EXPECT_GT(difference("mpt_clipped_six_heads", {{"attn_config", {{"alibi_bias_max", 4}}}}), 1e-3f);
  EXPECT_GT(difference("falcon_rw", {{"alibi", false}}), 1e-3f);
  EXPECT_GT(difference("qwen3", {{"rope_parameters", {{"rope_theta", 5e5}}}}), 1e-3f);
}

}  // namespace
}  // namespace perennial
