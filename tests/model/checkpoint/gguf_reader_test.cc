#include "model/checkpoint/gguf_reader.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "tests/model/checkpoint/expect_error.h"
#include "tests/model/checkpoint/gguf_writer.h"

namespace perennial {
namespace {

absl::Status ReadStatus(const std::string& file) { return ReadGguf(AsBytes(file)).status(); }

TEST(GgufReaderTest, ReadsVersions2And3) {
  for (const uint32_t version : {2u, 3u}) {
    GgufWriter writer = TinyGguf();
    writer.version = version;
    const std::string bytes = writer.Build();
    const absl::StatusOr<GgufFile> file = ReadGguf(AsBytes(bytes));
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->version, version);
    EXPECT_EQ(file->tensors.size(), 11u);
  }
}

TEST(GgufReaderTest, ReversesDimensionsAndViewsExactlyTheTensorsBytes) {
  GgufWriter writer;
  writer.AddTensor("a", {2, 3}).AddTensor("b", {2, 64}, /*Q4_1*/ 3);
  const std::string bytes = writer.Build();
  const absl::StatusOr<GgufFile> file = ReadGguf(AsBytes(bytes));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->tensors[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(file->tensors[0].bytes.size(), 24u);
  EXPECT_EQ(file->tensors[1].type, TensorType::kQ4_1);
  EXPECT_EQ(file->tensors[1].bytes.size(), 80u);
  EXPECT_EQ(reinterpret_cast<const char*>(file->tensors[1].bytes.data()), bytes.data() + bytes.size() - 80);
}

TEST(GgufReaderTest, ObeysTheAlignmentKey) {
  GgufWriter writer;
  writer.alignment = 128;
  writer.SetUint32("general.alignment", 128).AddTensor("a", {3}).AddTensor("b", {1});
  const std::string bytes = writer.Build();
  const absl::StatusOr<GgufFile> file = ReadGguf(AsBytes(bytes));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->tensors[1].bytes.data() - file->tensors[0].bytes.data(), 128);
}

TEST(GgufReaderTest, RefusesWhatIsNotGguf) {
  ExpectInvalid(ReadStatus(""), "not a GGUF file");
  ExpectInvalid(ReadStatus("GGU"), "not a GGUF file");
  ExpectInvalid(ReadStatus("PK\x03\x04 and more"), "not a GGUF file");
}

TEST(GgufReaderTest, RefusesOtherVersionsAndBigEndian) {
  GgufWriter writer;
  writer.version = 1;
  ExpectUnimplemented(ReadStatus(writer.Build()), "version 1; supported are versions 2 and 3");
  writer.version = 3u << 24;
  ExpectUnimplemented(ReadStatus(writer.Build()), "big-endian");
}

TEST(GgufReaderTest, RefusesEveryTruncation) {
  const std::string whole = TinyGguf().Build();
  for (size_t size = 0; size < whole.size(); size += size < 2048 ? 1 : 61) {
    const std::string cut = whole.substr(0, size);  // its own allocation: ASan sees a read past it
    EXPECT_FALSE(ReadGguf(AsBytes(cut)).ok()) << size;
  }
  EXPECT_TRUE(ReadGguf(AsBytes(whole)).ok());
}

TEST(GgufReaderTest, NamesTheTensorThatATruncatedFileLacks) {
  std::string file = TinyGguf().Build();
  file.pop_back();
  ExpectInvalid(ReadStatus(file), "tensor \"output_norm.weight\" needs 128 bytes");
}

TEST(GgufReaderTest, RefusesAbsurdCounts) {
  for (const uint64_t count :
       {uint64_t{1} << 63, std::numeric_limits<uint64_t>::max(), uint64_t{1} << 20, uint64_t{1000}}) {
    GgufWriter tensors = TinyGguf();
    tensors.num_tensors = count;
    EXPECT_FALSE(ReadGguf(AsBytes(tensors.Build())).ok()) << count;
    GgufWriter keys = TinyGguf();
    keys.num_keys = count;
    EXPECT_FALSE(ReadGguf(AsBytes(keys.Build())).ok()) << count;
  }
  GgufWriter writer = TinyGguf();
  writer.num_tensors = uint64_t{1} << 63;
  ExpectInvalid(ReadStatus(writer.Build()), "9223372036854775808 tensors");
}

TEST(GgufReaderTest, RefusesDimensionsThatOverflow) {
  for (const std::vector<uint64_t>& dimensions :
       {std::vector<uint64_t>{uint64_t{1} << 63}, std::vector<uint64_t>{uint64_t{1} << 32, uint64_t{1} << 32},
        std::vector<uint64_t>{1u << 30, 1u << 30, 1u << 30, 1u << 30}}) {
    GgufWriter writer = TinyGguf();
    writer.Tensor("blk.0.attn_q.weight").dimensions = dimensions;
    ExpectInvalid(ReadStatus(writer.Build()), "tensor \"blk.0.attn_q.weight\"");
  }
}

TEST(GgufReaderTest, RefusesZeroAndTooManyDimensions) {
  GgufWriter writer = TinyGguf();
  writer.Tensor("output_norm.weight").dimensions = {0};
  ExpectInvalid(ReadStatus(writer.Build()), "dimension of 0");
  writer.Tensor("output_norm.weight").dimensions = {};
  ExpectInvalid(ReadStatus(writer.Build()), "no dimensions");
  writer.Tensor("output_norm.weight").dimensions = {1, 1, 1, 1, 1};
  ExpectInvalid(ReadStatus(writer.Build()), "5 dimensions; at most 4");
}

TEST(GgufReaderTest, RefusesRowsThatAreNotWholeBlocks) {
  GgufWriter writer;
  writer.AddTensor("a", {2, 32}, /*Q8_0*/ 8);
  writer.Tensor("a").dimensions = {33, 2};
  ExpectInvalid(ReadStatus(writer.Build()), "rows of 33 elements, not a multiple of Q8_0's 32");
}

TEST(GgufReaderTest, RefusesOffsetsBeyondTheFile) {
  for (const uint64_t offset : {uint64_t{1} << 20, uint64_t{1} << 63, std::numeric_limits<uint64_t>::max() - 31}) {
    GgufWriter writer = TinyGguf();
    writer.Tensor("blk.0.attn_k.weight").offset = offset;
    ExpectInvalid(ReadStatus(writer.Build()), "tensor \"blk.0.attn_k.weight\" needs");
  }
}

TEST(GgufReaderTest, RefusesMisalignedOffsets) {
  GgufWriter writer = TinyGguf();
  writer.Tensor("blk.0.attn_norm.weight").offset = 4;
  ExpectInvalid(ReadStatus(writer.Build()), "offset 4, not a multiple of the alignment 32");
}

TEST(GgufReaderTest, RefusesOverlappingTensors) {
  GgufWriter writer = TinyGguf();
  writer.Tensor("blk.0.attn_norm.weight").offset = 32;  // inside the embedding
  ExpectInvalid(ReadStatus(writer.Build()), "tensor \"blk.0.attn_norm.weight\" overlaps tensor \"token_embd.weight\"");
}

TEST(GgufReaderTest, RefusesDuplicateTensorsAndKeys) {
  GgufWriter tensors = TinyGguf();
  tensors.AddTensor("output_norm.weight", {32});
  ExpectInvalid(ReadStatus(tensors.Build()), "tensor \"output_norm.weight\" occurs twice");
  GgufWriter keys;
  keys.SetBool("k", true);
  std::string file = keys.Build();
  file.replace(16, 8, Raw<uint64_t>(2));
  file += file.substr(24);
  ExpectInvalid(ReadStatus(file), "metadata key \"k\" occurs twice");
}

TEST(GgufReaderTest, NamesATypeThatIsNotSupported) {
  GgufWriter writer = TinyGguf();
  writer.Tensor("blk.0.attn_q.weight").type = 10;
  ExpectUnimplemented(ReadStatus(writer.Build()), "tensor \"blk.0.attn_q.weight\" has type Q2_K; supported are F32");
  for (const uint32_t type : {4u, 5u, 31u, 38u, 39u, 40u, 1000u, 0xFFFFFFFFu}) {
    writer.Tensor("blk.0.attn_q.weight").type = type;
    EXPECT_EQ(ReadStatus(writer.Build()).code(), absl::StatusCode::kUnimplemented) << type;
  }
}

TEST(GgufReaderTest, RefusesBadAlignments) {
  for (const uint32_t alignment : {0u, 1u, 4u, 24u, 0x80000000u}) {
    GgufWriter writer = TinyGguf();
    writer.SetUint32("general.alignment", alignment);
    ExpectInvalid(ReadStatus(writer.Build()), "general.alignment");
  }
  GgufWriter writer = TinyGguf();
  writer.SetString("general.alignment", "32");
  ExpectInvalid(ReadStatus(writer.Build()), "general.alignment");
}

TEST(GgufReaderTest, KeepsMessagesOnOneLineWhateverNamesAreCalled) {
  GgufWriter writer = TinyGguf();
  writer.AddTensor("evil\nname\x1b[2J", {3}, 10);
  ExpectUnimplemented(ReadStatus(writer.Build()), "evil\\nname\\x1b[2J");
}

}  // namespace
}  // namespace perennial
