// Absurd values of every key of every architecture's GGUF file, and tensors that are not as its keys say: one clear
// line each. The files are those of tests/golden/families/gguf, with other weights.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/checkpoint/gguf_checkpoint.h"
#include "tests/model/checkpoint/expect_error.h"
#include "tests/model/checkpoint/gguf_writer.h"

namespace perennial {
namespace {

using nlohmann::json;

struct GoldenFile {
  std::string name;
  std::string prefix;             // "gemma3."
  std::vector<std::string> keys;  // of the architecture
  GgufWriter writer;
};

GoldenFile ReadGolden(const std::filesystem::path& path) {
  std::ifstream stream(path);
  const json golden = json::parse(stream);
  GoldenFile file;
  file.name = golden["name"];
  file.prefix = golden["keys"][0][2].get<std::string>() + ".";
  for (const json& key : golden["keys"]) {
    file.writer.SetJson(key[0], key[1], key[2]);
    const std::string name = key[0];
    if (name.rfind(file.prefix, 0) == 0) file.keys.push_back(name);
  }
  for (const json& tensor : golden["tensors"]) {
    std::vector<int64_t> shape = tensor[1];
    std::reverse(shape.begin(), shape.end());
    file.writer.AddTensor(tensor[0], shape);
    if (tensor.size() != 3) continue;
    std::string& bytes = file.writer.tensors.back().bytes;  // RoPE's divisors must make sense
    bytes.clear();
    for (const float number : tensor[2]) bytes += Raw(number);
  }
  return file;
}

std::vector<GoldenFile> GoldenFiles() {
  std::vector<GoldenFile> files;
  for (const auto& entry : std::filesystem::directory_iterator(PERENNIAL_SOURCE_DIR "/tests/golden/families/gguf")) {
    files.push_back(ReadGolden(entry.path()));
  }
  return files;
}

absl::Status ReadChanged(const GoldenFile& file, const std::function<void(GgufWriter&)>& change) {
  GgufWriter writer = file.writer;
  change(writer);
  const std::string bytes = writer.Build();
  return ReadGgufContents(AsBytes(bytes)).status();
}

void ExpectOneLine(const absl::Status& status) {
  EXPECT_TRUE(absl::IsInvalidArgument(status) || absl::IsUnimplemented(status) || absl::IsNotFound(status)) << status;
  EXPECT_EQ(status.message().find('\n'), absl::string_view::npos) << status;
  EXPECT_LT(status.message().size(), 300u) << status;
}

using Change = std::function<void(GgufWriter&, const std::string&)>;

const std::vector<Change>& WrongTypes() {
  static const auto* const changes = new std::vector<Change>{
      [](GgufWriter& w, const std::string& key) { w.SetFloat(key, NAN); },
      [](GgufWriter& w, const std::string& key) { w.SetString(key, "a\nb"); },
      [](GgufWriter& w, const std::string& key) { w.SetStrings(key, {"a"}); },
      [](GgufWriter& w, const std::string& key) { w.SetInts(key, {}); },
      [](GgufWriter& w, const std::string& key) { w.Set(key, GgufType::kUint64, Raw(uint64_t{1} << 63)); },
  };
  return *changes;
}

TEST(GgufHostileTest, AbsurdSizesAreRefusedInOneLine) {
  for (const GoldenFile& file : GoldenFiles()) {
    SCOPED_TRACE(file.name);
    ASSERT_TRUE(ReadChanged(file, [](GgufWriter&) {}).ok()) << ReadChanged(file, [](GgufWriter&) {});
    for (const char* word : {"block_count", "embedding_length", "feed_forward_length", "attention.head_count"}) {
      const std::string key = file.prefix + word;
      SCOPED_TRACE(key);
      for (const uint32_t value : {0u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu}) {
        const absl::Status status = ReadChanged(file, [&](GgufWriter& w) { w.SetUint32(key, value); });
        ASSERT_FALSE(status.ok()) << value << " was taken";
        ExpectOneLine(status);
      }
      for (const Change& change : WrongTypes()) {
        ExpectInvalid(ReadChanged(file, [&](GgufWriter& w) { change(w, key); }), "metadata key " + key + " is not an");
      }
      ExpectInvalid(ReadChanged(file, [&](GgufWriter& w) { w.Remove(key); }), "metadata key " + key + " is missing");
    }
  }
}

// Whatever a key is for: a status, in one line.
TEST(GgufHostileTest, NoValueOfAnyKeyDoesHarm) {
  for (const GoldenFile& file : GoldenFiles()) {
    SCOPED_TRACE(file.name);
    std::vector<std::string> keys = file.keys;
    for (const char* word : {"rope.freq_base", "rope.scaling.factor", "attention.sliding_window", "expert_count",
                             "attention.sliding_window_pattern", "attention.key_length", "rope.dimension_count"}) {
      keys.push_back(file.prefix + word);
    }
    std::vector<Change> changes = WrongTypes();
    for (const uint32_t value : {0u, 1u, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
      changes.push_back([value](GgufWriter& w, const std::string& key) { w.SetUint32(key, value); });
    }
    for (const float value : {-1.0f, 0.0f, 1e-30f, 1e38f, INFINITY}) {
      changes.push_back([value](GgufWriter& w, const std::string& key) { w.SetFloat(key, value); });
    }
    for (const std::string& key : keys) {
      SCOPED_TRACE(key);
      for (const Change& change : changes) {
        const absl::Status status = ReadChanged(file, [&](GgufWriter& w) { change(w, key); });
        if (!status.ok()) ExpectOneLine(status);
      }
    }
    for (const char* word : {"attention.layer_norm_epsilon", "attention.layer_norm_rms_epsilon", "rope.freq_base"}) {
      const std::string key = file.prefix + word;
      SCOPED_TRACE(key);
      for (const float value : {NAN, INFINITY}) {
        ExpectInvalid(ReadChanged(file, [&](GgufWriter& w) { w.SetFloat(key, value); }), key + " is not a finite");
      }
      const bool is_used = word == std::string("rope.freq_base")
                               ? file.prefix != "mpt."  // where nothing rotates
                               : std::find(file.keys.begin(), file.keys.end(), key) != file.keys.end();
      if (!is_used) continue;
      ExpectInvalid(ReadChanged(file, [&](GgufWriter& w) { w.SetFloat(key, -1.0f); }), "must be from");
    }
  }
}

TEST(GgufHostileTest, EveryTensorIsNeededInItsShape) {
  for (const GoldenFile& file : GoldenFiles()) {
    SCOPED_TRACE(file.name);
    for (const GgufWriter::TensorPlan& tensor : file.writer.tensors) {
      SCOPED_TRACE(tensor.name);
      const absl::Status shorter = ReadChanged(file, [&](GgufWriter& w) {
        GgufWriter::TensorPlan& plan = w.Tensor(tensor.name);
        plan.dimensions.front() -= 1;
        uint64_t count = 1;
        for (const uint64_t size : plan.dimensions) count *= size;
        plan.bytes.resize(count * 4);
      });
      ASSERT_FALSE(shorter.ok());
      ExpectOneLine(shorter);
    }
    ExpectUnimplemented(ReadChanged(file, [](GgufWriter& w) { w.AddTensor("blk.0.other.weight", {4}); }),
                        "tensor \"blk.0.other.weight\" is not part of");
  }
}

}  // namespace
}  // namespace perennial
