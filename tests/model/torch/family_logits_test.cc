// Every family against transformers' own classes (tests/golden/families): from config.json and safetensors to logits.

#include <gtest/gtest.h>

#include <string>

#include "tests/model/torch/golden_family.h"

namespace perennial {
namespace {

constexpr float kTolerance = 1e-4f;
constexpr float kPlantedTolerance = 2e-3f;  // the golden difference is rounded to four digits

TEST(FamilyLogitsTest, PromptsAndTurnsEqualTransformers) {
  const std::vector<std::string> names = GoldenFamilyNames();
  ASSERT_GE(names.size(), 28u);
  for (const std::string& name : names) {
    const nlohmann::json golden = ReadGoldenFamily(name);
    const GoldenCheckpoint made = MakeHuggingFaceCheckpoint(golden["config"], GoldenTensors(golden));
    ASSERT_NE(made.checkpoint, nullptr) << name;
    const auto runner = MakeSmallRunner(*made.checkpoint);
    for (const size_t chunk : {1, 7, 40}) {
      const float difference = PromptDifference(*runner, golden, chunk);
      EXPECT_LE(difference, kTolerance) << name << ", chunks of " << chunk;
      if (chunk == 40) RecordProperty(name, std::to_string(difference));
    }
    if (golden.contains("turns")) {
      EXPECT_LE(TurnsDifference(*runner, golden), kTolerance) << name;
    }
  }
}

// The older keys and names of the configurations that are on people's disks.
TEST(FamilyLogitsTest, PublishedConfigurationsMeanTheSame) {
  for (const std::string& name : GoldenFamilyNames()) {
    const nlohmann::json golden = ReadGoldenFamily(name);
    if (!golden.contains("published")) continue;
    const GoldenCheckpoint made = MakeHuggingFaceCheckpoint(golden["published"], GoldenTensors(golden));
    ASSERT_NE(made.checkpoint, nullptr) << name;
    EXPECT_LE(PromptDifference(*MakeSmallRunner(*made.checkpoint), golden, 40), kTolerance) << name;
  }
}

// One mistake in each family, which transformers makes too if it is told to: it must show, and as much as there.
TEST(FamilyLogitsTest, PlantedMistakesShowAsMuchAsInTransformers) {
  for (const std::string& name : GoldenFamilyNames()) {
    const nlohmann::json golden = ReadGoldenFamily(name);
    const nlohmann::json& planted = golden["planted"];
    nlohmann::json config = golden["config"];
    if (planted.contains("config")) config.merge_patch(planted["config"]);
    const GoldenCheckpoint made =
        MakeHuggingFaceCheckpoint(config, GoldenTensors(golden, planted.value("zero", nlohmann::json())));
    ASSERT_NE(made.checkpoint, nullptr) << name;
    const float difference = PromptDifference(*MakeSmallRunner(*made.checkpoint), golden, 40);
    EXPECT_GT(difference, 1e-3f) << name << ": " << planted["what"];
    EXPECT_NEAR(difference, planted["largest_difference"].get<float>(), kPlantedTolerance)
        << name << ": " << planted["what"];
  }
}

// The same values kept in two bytes: nothing but the storage differs.
TEST(FamilyLogitsTest, Float16CheckpointsGiveWhatTheirValuesGive) {
  for (const char* name : {"llama3", "falcon_40b", "mpt"}) {
    const nlohmann::json golden = ReadGoldenFamily(name);
    std::vector<GoldenTensor> tensors = GoldenTensors(golden);
    const GoldenCheckpoint halves = MakeHuggingFaceCheckpoint(golden["config"], tensors, "F16");
    ASSERT_NE(halves.checkpoint, nullptr) << name;
    const float difference = PromptDifference(*MakeSmallRunner(*halves.checkpoint), golden, 40);
    EXPECT_GT(difference, kTolerance) << name << ": the values are rounded";
    EXPECT_LT(difference, 0.1f) << name;
  }
}

}  // namespace
}  // namespace perennial
