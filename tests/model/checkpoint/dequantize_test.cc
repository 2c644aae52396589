// Against gguf-py's own results, bit for bit: tests/golden/checkpoint/make_dequantize_golden.py.

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#include "model/checkpoint/tensor.h"
#include "tests/model/checkpoint/gguf_writer.h"

namespace perennial {
namespace {

std::string ReadGolden(const std::string& name) {
  std::ifstream file(std::string(PERENNIAL_SOURCE_DIR) + "/tests/golden/checkpoint/" + name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(file.good()) << name;
  return text.str();
}

class DequantizeTest : public testing::TestWithParam<TensorType> {};

TEST_P(DequantizeTest, EqualsGgufPyBitForBit) {
  const TensorType type = GetParam();
  const std::string name(TensorTypeName(type));
  const std::string blocks = ReadGolden(name + ".blocks");
  const std::string golden = ReadGolden(name + ".values");
  const int64_t num_blocks = static_cast<int64_t>(blocks.size()) / BlockBytes(type);
  ASSERT_GE(num_blocks, 12);
  ASSERT_EQ(golden.size(), num_blocks * BlockElements(type) * sizeof(float));

  // At an odd address too: nothing aligns tensors in a safetensors file.
  for (const size_t shift : {0, 1}) {
    const std::string shifted = std::string(shift, 'x') + blocks;
    TensorView view;
    view.type = type;
    view.shape = {num_blocks, BlockElements(type)};
    view.bytes = AsBytes(shifted).subspan(shift);
    std::vector<float> values(view.num_elements());
    Dequantize(view, absl::MakeSpan(values));
    for (size_t i = 0; i < values.size(); ++i) {
      float expected;
      std::memcpy(&expected, golden.data() + i * sizeof(float), sizeof(float));
      ASSERT_EQ(std::memcmp(&values[i], &expected, sizeof(float)), 0)
          << name << " " << i << " " << values[i] << " " << expected;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, DequantizeTest,
                         testing::Values(TensorType::kF16, TensorType::kBF16, TensorType::kQ8_0, TensorType::kQ4_0,
                                         TensorType::kQ4_1, TensorType::kQ5_0, TensorType::kQ5_1, TensorType::kQ4_K,
                                         TensorType::kQ5_K, TensorType::kQ6_K),
                         [](const auto& type) { return std::string(TensorTypeName(type.param)); });

TEST(DequantizeF32Test, CopiesFloat32) {
  const std::string bytes = Raw(1.5f) + Raw(-0.0f) + Raw(3e38f);
  TensorView view;
  view.shape = {3};
  view.bytes = AsBytes(bytes);
  std::vector<float> values(3);
  Dequantize(view, absl::MakeSpan(values));
  EXPECT_EQ(std::memcmp(values.data(), bytes.data(), bytes.size()), 0);
}

TEST(DequantizeDeathTest, EndsTheProcessForAnOutputOfAnotherSize) {
  TensorView view;
  view.shape = {3};
  const std::string bytes(12, '\0');
  view.bytes = AsBytes(bytes);
  std::vector<float> values(2);
  EXPECT_DEATH(Dequantize(view, absl::MakeSpan(values)), "check failed");
}

}  // namespace
}  // namespace perennial
