#include "model/checkpoint/safetensors_reader.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/model/checkpoint/expect_error.h"
#include "tests/model/checkpoint/gguf_writer.h"
#include "tests/model/checkpoint/tiny_hugging_face.h"

namespace perennial {
namespace {

absl::Status ReadStatus(const std::string& header, size_t num_bytes) {
  const std::string file = SafetensorsBytes(header, num_bytes);
  return ReadSafetensors(AsBytes(file)).status();
}

TEST(SafetensorsReaderTest, ReadsEverySupportedType) {
  const std::string file = SafetensorsBytes({{"a", {"F32", {2, 3}}}, {"b", {"F16", {5}}}, {"c", {"BF16", {1, 1, 4}}}});
  const auto tensors = ReadSafetensors(AsBytes(file));
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 3u);
  EXPECT_EQ((*tensors)[0].name, "a");
  EXPECT_EQ((*tensors)[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ((*tensors)[0].bytes.size(), 24u);
  EXPECT_EQ((*tensors)[1].type, TensorType::kF16);
  EXPECT_EQ((*tensors)[2].type, TensorType::kBF16);
  EXPECT_EQ(reinterpret_cast<const char*>((*tensors)[2].bytes.data()), file.data() + file.size() - 8);
}

TEST(SafetensorsReaderTest, RefusesEveryTruncation) {
  const std::string whole = SafetensorsBytes(TinyHuggingFace().tensors);
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    EXPECT_FALSE(ReadSafetensors(AsBytes(cut)).ok()) << size;
  }
  EXPECT_TRUE(ReadSafetensors(AsBytes(whole)).ok());
}

TEST(SafetensorsReaderTest, RefusesHostileHeaders) {
  std::string file = Raw(uint64_t{1} << 63) + "{}";
  ExpectInvalid(ReadSafetensors(AsBytes(file)).status(), "its header would have 9223372036854775808 bytes");
  file = Raw(uint64_t{3}) + "{}";
  ExpectInvalid(ReadSafetensors(AsBytes(file)).status(), "the file ends inside its header of 3 bytes");
  ExpectInvalid(ReadStatus("[]", 0), "the header: is not a JSON object");
  ExpectInvalid(ReadStatus("{", 0), "the header: is not valid JSON");
  ExpectInvalid(ReadStatus(std::string(100000, '['), 0), "the header: is nested 100000 levels deep");
  ExpectInvalid(ReadStatus(R"({"a": 1})", 0), "tensor \"a\" is not an object");
}

// Old GPT-NeoX files hold masks of bytes, which nobody needs.
TEST(SafetensorsReaderTest, LeavesOutWhatIsNotNeededAndNotKnown) {
  const std::string file = SafetensorsBytes(R"({"a.mask": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]},
      "a.weight": {"dtype": "F32", "shape": [1], "data_offsets": [3, 7]}})",
                                            7);
  const absl::string_view unused[] = {".mask"};
  const auto tensors = ReadSafetensors(AsBytes(file), unused);
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 1u);
  EXPECT_EQ(tensors->front().name, "a.weight");
  ExpectUnimplemented(ReadSafetensors(AsBytes(file)).status(), "tensor \"a.mask\": has element type \"BOOL\"");
  const absl::string_view index = R"({"weight_map": {"a.mask": "x.safetensors", "a.weight": "x.safetensors"}})";
  const std::string shards[] = {"x.safetensors"};
  const std::vector<TensorView> of_shards[] = {*tensors};
  EXPECT_TRUE(CheckIndex(index, shards, of_shards, unused).ok());
  ExpectInvalid(CheckIndex(index, shards, of_shards), "promises tensor \"a.mask\"");
}

TEST(SafetensorsReaderTest, RefusesDuplicateNames) {
  const std::string entry = R"("a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})";
  ExpectInvalid(ReadStatus("{" + entry + ", " + entry + "}", 4), "member \"a\" occurs twice");
}

TEST(SafetensorsReaderTest, RefusesOffsetsBeyondTheFile) {
  ExpectInvalid(ReadStatus(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})", 4),
                "tensor \"a\": key data_offsets is not an integer, or a list of them, from 0 to 4");
  ExpectInvalid(ReadStatus(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [18446744073709551615, 4]}})", 4),
                "tensor \"a\": key data_offsets");
  ExpectInvalid(ReadStatus(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}})", 4), "data_offsets");
  ExpectInvalid(ReadStatus(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}})", 4), "[begin, end]");
  ExpectInvalid(ReadStatus(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4]}})", 4), "[begin, end]");
  ExpectInvalid(ReadStatus(R"({"a": {"dtype": "F32", "shape": [1]}})", 4), "[begin, end]");
}

TEST(SafetensorsReaderTest, RefusesShapesThatDoNotFitTheirBytes) {
  ExpectInvalid(ReadStatus(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}})", 4),
                "tensor \"a\": has shape [2] in F32, which is 8 bytes, but data_offsets of 4");
  ExpectInvalid(ReadStatus(R"({"a": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}})", 0),
                "elements allowed");
  ExpectInvalid(ReadStatus(R"({"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}})", 0), "dimension of 0");
  ExpectInvalid(ReadStatus(R"({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}})", 4), "key shape");
  ExpectInvalid(ReadStatus(R"({"a": {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]}})", 4),
                "key shape is not a list");
  ExpectInvalid(ReadStatus(R"({"a": {"dtype": "F32", "data_offsets": [0, 4]}})", 4), "key shape is not a list");
}

TEST(SafetensorsReaderTest, RefusesOverlapsGapsAndLeftovers) {
  const auto two = [](int begin, int end) {
    return R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "b": {"dtype": "F32", "shape": [1],
               "data_offsets": [)" +
           std::to_string(begin) + ", " + std::to_string(end) + "]}}";
  };
  EXPECT_TRUE(ReadStatus(two(4, 8), 8).ok());
  ExpectInvalid(ReadStatus(two(2, 6), 8), "tensor \"b\" begins at 2, inside the tensor before it");
  ExpectInvalid(ReadStatus(two(0, 4), 4), "tensor \"b\" begins at 0, inside");
  ExpectInvalid(ReadStatus(two(8, 12), 12), "tensor \"b\" begins at 8, after a gap");
  ExpectInvalid(ReadStatus(two(4, 8), 9), "tensors end at 8, but the file has 9 bytes");
}

TEST(SafetensorsReaderTest, NamesElementTypesThatAreNotSupported) {
  ExpectUnimplemented(ReadStatus(R"({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}})", 4),
                      "tensor \"a\": has element type \"F8_E4M3\"; supported in safetensors are F32, F16 and BF16");
  ExpectInvalid(ReadStatus(R"({"a": {"shape": [1], "data_offsets": [0, 4]}})", 4), "key dtype is missing");
  ExpectInvalid(ReadStatus(R"({"a": {"dtype": 3, "shape": [1], "data_offsets": [0, 4]}})", 4), "key dtype is not");
}

TEST(SafetensorsReaderTest, ListsShards) {
  const auto shards =
      ListShards(R"({"weight_map": {"a": "y.safetensors", "b": "x.safetensors", "c": "y.safetensors"}})");
  ASSERT_TRUE(shards.ok()) << shards.status();
  EXPECT_EQ(*shards, (std::vector<std::string>{"x.safetensors", "y.safetensors"}));
}

TEST(SafetensorsReaderTest, RefusesShardsOutsideTheDirectory) {
  for (const char* name : {"../x.safetensors", "/etc/x.safetensors", "a/x.safetensors", "..\\\\x.safetensors",
                           ".safetensors", "x.bin", "", "a\\nb.safetensors", "a\\u0000.safetensors"}) {
    ExpectInvalid(ListShards(std::string(R"({"weight_map": {"t": ")") + name + "\"}}").status(), "tensor \"t\"");
  }
  ExpectInvalid(ListShards(R"({"weight_map": {"t": 1}})").status(), "tensor \"t\"");
  ExpectInvalid(ListShards(R"({"weight_map": {}})").status(), "weight_map is empty");
  ExpectInvalid(ListShards(R"({"weight_map": []})").status(), "key weight_map is missing or not an object");
  ExpectInvalid(ListShards(R"({})").status(), "key weight_map is missing");
}

TEST(SafetensorsReaderTest, ChecksThePromisesOfAnIndex) {
  std::vector<std::vector<TensorView>> tensors(1);
  tensors[0].resize(1);
  tensors[0][0].name = "a";
  const std::vector<std::string> shards = {"x.safetensors"};
  EXPECT_TRUE(CheckIndex(R"({"weight_map": {"a": "x.safetensors"}})", shards, tensors).ok());
  ExpectInvalid(CheckIndex(R"({"weight_map": {"b": "x.safetensors"}})", shards, tensors),
                "promises tensor \"b\" in \"x.safetensors\", which does not have it");
  ExpectInvalid(CheckIndex(R"({"weight_map": {"a": "y.safetensors"}})", shards, tensors), "does not have it");
}

}  // namespace
}  // namespace perennial
