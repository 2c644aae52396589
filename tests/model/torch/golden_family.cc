#include "tests/model/torch/golden_family.h"

#include <c10/util/Half.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "model/checkpoint/checkpoint_contents.h"
#include "model/checkpoint/hugging_face_checkpoint.h"
#include "model/sink_window.h"

namespace perennial {
namespace {

using nlohmann::json;

constexpr char kFolder[] = PERENNIAL_SOURCE_DIR "/tests/golden/families/logits";
constexpr CacheShape kShape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 60};
constexpr char kTokenizer[] = R"({"added_tokens": [{"id": 1, "content": "<s>"}, {"id": 2, "content": "</s>"}],
                                  "model": {"type": "BPE", "vocab": {}, "merges": []}})";

std::string Bytes(const std::vector<float>& values, bool halves) {
  std::string bytes;
  for (const float value : values) {
    const c10::Half half(value);
    bytes.append(halves ? reinterpret_cast<const char*>(&half) : reinterpret_cast<const char*>(&value), halves ? 2 : 4);
  }
  return bytes;
}

std::string Safetensors(const std::vector<GoldenTensor>& tensors, const std::string& dtype) {
  json header = json::object();
  std::string body;
  for (const GoldenTensor& tensor : tensors) {
    const size_t begin = body.size();
    body += Bytes(tensor.values, dtype == "F16");
    header[tensor.name] = {{"dtype", dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, body.size()}}};
  }
  const std::string text = header.dump();
  const uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + text + body;
}

}  // namespace

json ReadGoldenFamily(const std::string& name) {
  std::ifstream stream(std::string(kFolder) + "/" + name + ".json");
  return json::parse(stream);
}

std::vector<std::string> GoldenFamilyNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<GoldenTensor> GoldenTensors(const json& golden, const json& zero) {
  std::vector<GoldenTensor> tensors;
  for (const json& described : golden["tensors"]) {
    GoldenTensor tensor = {described[0], described[1], {}};
    int64_t count = 1;
    for (const int64_t size : tensor.shape) count *= size;
    const double centre = described[2], spread = described[3];
    const bool is_zero = std::find(zero.begin(), zero.end(), tensor.name) != zero.end();
    for (int64_t i = 0; i < count; ++i) {
      const double value = centre + spread * FormulaUniform(tensor.name, i);
      tensor.values.push_back(is_zero ? 0.0f : static_cast<float>(value));
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

GoldenCheckpoint MakeHuggingFaceCheckpoint(const json& config, const std::vector<GoldenTensor>& tensors,
                                           const std::string& dtype) {
  GoldenCheckpoint result;
  result.file = std::make_unique<std::string>(Safetensors(tensors, dtype));
  json with_end = config;
  if (!with_end.contains("eos_token_id")) with_end["eos_token_id"] = 2;  // MPT's authors leave it to another file
  const std::string config_text = with_end.dump();
  HuggingFaceFiles files;
  files.config = config_text;
  files.tokenizer = kTokenizer;
  files.weights.push_back(
      {"model.safetensors",
       absl::MakeConstSpan(reinterpret_cast<const std::byte*>(result.file->data()), result.file->size())});
  auto contents = ReadHuggingFaceContents(files);
  if (!contents.ok()) {
    ADD_FAILURE() << contents.status();
    return result;
  }
  result.checkpoint = MakeCheckpoint("golden", *std::move(contents), {});
  return result;
}

float PromptDifference(ModelRunner& runner, const json& golden, size_t chunk) {
  const auto cache = runner.NewCache(kShape);
  if (!cache.ok()) ADD_FAILURE() << cache.status();
  const std::vector<TokenId> tokens = golden["prompt"]["feed"];
  SinkWindow window(kShape, EvictionPolicy::kTokenWise);
  const LogitTable table = FeedAll(runner, **cache, tokens, window.Advance(static_cast<int64_t>(tokens.size())), chunk);
  float largest = 0.0f;
  for (const json& row : golden["prompt"]["rows"]) {
    largest = std::max(largest, RowDifference(table.at(row["row"]), row["logits"]));
  }
  return largest;
}

float TurnsDifference(ModelRunner& runner, const json& golden) {
  const auto cache = runner.NewCache(kShape);
  if (!cache.ok()) ADD_FAILURE() << cache.status();
  SinkWindow window(kShape, EvictionPolicy::kTokenWise);
  float largest = 0.0f;
  for (const json& turn : golden["turns"]) {
    const std::vector<TokenId> tokens = turn["feed"];
    const LogitTable table =
        FeedAll(runner, **cache, tokens, window.Advance(static_cast<int64_t>(tokens.size())), tokens.size());
    for (const json& row : turn["rows"]) {
      largest = std::max(largest, RowDifference(table.at(row["row"]), row["logits"]));
    }
  }
  return largest;
}

}  // namespace perennial
