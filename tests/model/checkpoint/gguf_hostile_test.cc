// Absurd values of every key of every architecture's GGUF file, and tensors that are not as its keys say: one clear
// line each. The files are those of tests/golden/families/gguf, with other weights.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/checkpoint/error_text.h"
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
  EXPECT_GE(files.size(), 24u);
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

// llama.cpp has it for Gemma 2 alone.
TEST(GgufHostileTest, Gemma3BoundsNoScores) {
  size_t found = 0;
  for (const GoldenFile& file : GoldenFiles()) {
    if (file.prefix != "gemma3." && file.prefix != "gemma2.") continue;
    ++found;
    GgufWriter writer = file.writer;
    writer.SetFloat(file.prefix + "attn_logit_softcapping", 25.0f);
    writer.SetFloat(file.prefix + "final_logit_softcapping", 20.0f);
    const std::string bytes = writer.Build();
    const auto contents = ReadGgufContents(AsBytes(bytes));
    ASSERT_TRUE(contents.ok()) << contents.status();
    EXPECT_EQ(contents->config.attention_softcap, file.prefix == "gemma2." ? 25.0 : 0.0);
    EXPECT_EQ(contents->config.output_softcap, 20.0);
  }
  EXPECT_EQ(found, 5u);
}

// Norms of queries or keys: the network's, in another shape, and many that no network has.
TEST(GgufHostileTest, NormsOfHeadsAreNamedWithTheirShape) {
  size_t with_norms = 0;
  for (const GoldenFile& file : GoldenFiles()) {
    SCOPED_TRACE(file.name);
    for (const GgufWriter::TensorPlan& tensor : file.writer.tensors) {
      if (tensor.name != "blk.0.attn_q_norm.weight" && tensor.name != "blk.0.attn_k_norm.weight") continue;
      ++with_norms;
      const bool is_stacked = tensor.dimensions.size() == 2;  // [heads, size], elsewhere [size]
      const int64_t size = static_cast<int64_t>(tensor.dimensions.front());
      const int64_t rows = is_stacked ? static_cast<int64_t>(tensor.dimensions.back()) : 1;
      for (const std::vector<int64_t>& shape : {std::vector<int64_t>{rows + (is_stacked ? 1 : 0), size},
                                                {rows * size},
                                                {rows, size + 1},
                                                {rows, size, 1}}) {
        if (!is_stacked && shape.size() == 1) continue;
        ExpectInvalid(
            ReadChanged(file, [&](GgufWriter& w) { w.RemoveTensor(tensor.name).AddTensor(tensor.name, shape); }),
            "\"" + tensor.name + "\" has shape " + ShapeText(shape) + "; the configuration needs");
      }
    }
  }
  EXPECT_EQ(with_norms, 2u * 6);  // of Qwen 3, Gemma 3 (four times), StableLM 2
}

// Bytes of memory that this process had at most.
int64_t PeakBytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

TEST(GgufHostileTest, RowsOfNormsTakeNoMemory) {
  constexpr int64_t kMost = 256 << 20;  // one entry for each row took a gigabyte
  for (const GoldenFile& file : GoldenFiles()) {
    SCOPED_TRACE(file.name);
    const int64_t before = PeakBytes();
    const absl::Status status = ReadChanged(file, [&](GgufWriter& w) {
      for (int layer = 1000; layer < 1500; ++layer) {
        w.AddTensor("blk." + std::to_string(layer) + ".attn_q_norm.weight", {4096, 1}, 1);
      }
    });
    ASSERT_FALSE(status.ok());
    ExpectOneLine(status);
    EXPECT_LT(PeakBytes() - before, kMost);
  }
}

TEST(GgufHostileTest, MoreNormsThanTheTensorsAllowedAreNotMade) {
  size_t found = 0;
  for (const GoldenFile& file : GoldenFiles()) {
    if (file.name != "stablelm_parallel") continue;
    ++found;
    const absl::Status status = ReadChanged(file, [&](GgufWriter& w) {
      w.SetUint32("stablelm.block_count", 1024).SetUint32("stablelm.attention.key_length", 4);
      for (const char* key : {"stablelm.attention.head_count", "stablelm.attention.head_count_kv"}) {
        w.SetUint32(key, 4096);
      }
      w.SetUint32("stablelm.attention.value_length", 4).SetUint32("stablelm.rope.dimension_count", 4);
    });
    ExpectInvalid(status, "the configuration needs 8388608 norms of heads, more than the limit of 262144 tensors");
  }
  EXPECT_EQ(found, 1u);
}

}  // namespace
}  // namespace perennial
