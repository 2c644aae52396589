// Every architecture that llama.cpp writes: files as its own converter lays them out (tests/golden/families/gguf: keys,
// names, rows reordered, fused matrices stacked, Gemma's one added to its norms), against transformers on the
// checkpoint they were made from, and against llama.cpp on the file.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "model/checkpoint/checkpoint_contents.h"
#include "model/checkpoint/gguf_checkpoint.h"
#include "model/sink_window.h"
#include "tests/model/checkpoint/gguf_writer.h"
#include "tests/model/torch/golden_family.h"

namespace perennial {
namespace {

using nlohmann::json;

constexpr float kTolerance = 1e-4f;
constexpr float kGeluTolerance = 1e-2f;  // llama.cpp's gelu is always the one by tanh, from a table of 16-bit floats
constexpr char kFolder[] = PERENNIAL_SOURCE_DIR "/tests/golden/families/gguf";

// A tensor's numbers: written down, or moved from the checkpoint's tensors.
std::vector<float> Numbers(const json& described, const std::map<std::string, std::vector<float>>& sources) {
  std::vector<float> numbers;
  if (described.size() == 3) return described[2];
  for (const json& run : described[2]) {
    const std::vector<float>& source = sources.at(run[0]);
    for (size_t i = 0; i < run[2].get<size_t>(); ++i) {
      numbers.push_back(source.at(run[1].get<size_t>() + i) + described[3].get<float>());
    }
  }
  return numbers;
}

std::string BuildFile(const json& golden) {
  std::map<std::string, std::vector<float>> sources;
  const std::string checkpoint = std::filesystem::path(golden["checkpoint"].get<std::string>()).stem();
  for (GoldenTensor& tensor : GoldenTensors(ReadGoldenFamily(checkpoint))) {
    sources[tensor.name] = std::move(tensor.values);
  }
  GgufWriter writer;
  for (const json& key : golden["keys"]) writer.SetJson(key[0], key[1], key[2]);
  for (const json& described : golden["tensors"]) {
    const std::vector<float> numbers = Numbers(described, sources);
    GgufWriter::TensorPlan plan;
    plan.name = described[0];
    plan.dimensions = described[1].get<std::vector<uint64_t>>();
    plan.bytes.assign(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float));
    writer.tensors.push_back(plan);
  }
  return writer.Build();
}

std::vector<float> LogSoftmax(const std::vector<float>& logits) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit});
  std::vector<float> result;
  for (const float logit : logits) result.push_back(static_cast<float>(logit - std::log(sum)));
  return result;
}

// Log-probabilities of the prompt's tokens, fed in chunks.
LogitTable RunFile(const json& golden, size_t chunk) {
  const std::string file = BuildFile(golden);
  auto contents = ReadGgufContents(AsBytes(file));
  if (!contents.ok()) {
    ADD_FAILURE() << golden["name"] << ": " << contents.status();
    return {};
  }
  const auto runner = MakeSmallRunner(*MakeCheckpoint("gguf", *std::move(contents), {}));
  constexpr CacheShape kShape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 60};
  const auto cache = runner->NewCache(kShape);
  if (!cache.ok()) ADD_FAILURE() << cache.status();
  const std::vector<TokenId> tokens = golden["prompt"]["feed"];
  SinkWindow window(kShape, EvictionPolicy::kTokenWise);
  LogitTable table = FeedAll(*runner, **cache, tokens, window.Advance(static_cast<int64_t>(tokens.size())), chunk);
  for (std::vector<float>& row : table) row = LogSoftmax(row);
  return table;
}

TEST(GgufFamilyTest, EveryArchitectureGivesTransformersAndLlamaCppsLogits) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    std::ifstream stream(entry.path());
    const json golden = json::parse(stream);
    const LogitTable table = RunFile(golden, 7);
    ASSERT_FALSE(table.empty()) << golden["name"];
    const float tolerance = golden.contains("difference_with_llama_cpps_gelu") ? kGeluTolerance : kTolerance;
    float largest = 0.0f;
    for (const json& row : golden["prompt"]["rows"]) {
      const std::vector<float>& ours = table.at(row["row"]);
      const float difference = RowDifference(ours, row["transformers"]);
      largest = std::max(largest, difference);
      EXPECT_LE(difference, kTolerance) << golden["name"] << " row " << row["row"];
      EXPECT_LE(RowDifference(ours, row["llama_cpp"]), tolerance) << golden["name"] << " row " << row["row"];
    }
    RecordProperty(golden["name"], std::to_string(largest));
    ++count;
  }
  EXPECT_GE(count, 24u);
}

// What the comparison can tell apart: a file of one architecture that says it is another.
TEST(GgufFamilyTest, TheWrongRowOrderShows) {
  std::ifstream stream(std::string(kFolder) + "/llama2.json");
  json golden = json::parse(stream);
  for (json& key : golden["keys"]) {
    std::string name = key[0];
    if (name.rfind("llama.", 0) == 0) key[0] = "qwen2." + name.substr(6);  // rotates halves, llama neighbours
    if (name == "general.architecture") key[2] = "qwen2";
  }
  const LogitTable table = RunFile(golden, 40);
  ASSERT_FALSE(table.empty());
  EXPECT_GT(RowDifference(table.at(39), golden["prompt"]["rows"][2]["transformers"]), 1e-2f);
}

// Without its list of windowed layers a file means Gemma 3's usual ones.
TEST(GgufFamilyTest, TheWrongWindowsShow) {
  for (const char* name : {"/gemma3_listed_windows.json", "/gemma3_counted_windows.json"}) {
    std::ifstream stream(kFolder + std::string(name));
    json golden = json::parse(stream);
    json& keys = golden["keys"];
    for (size_t i = 0; i < keys.size(); ++i) {
      if (keys[i][0] == "gemma3.attention.sliding_window_pattern") keys.erase(i);
    }
    const LogitTable table = RunFile(golden, 40);
    ASSERT_FALSE(table.empty());
    EXPECT_GT(RowDifference(table.at(39), golden["prompt"]["rows"][2]["transformers"]), 1e-2f) << name;
  }
}

}  // namespace
}  // namespace perennial
