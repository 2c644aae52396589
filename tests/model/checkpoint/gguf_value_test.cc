#include "model/checkpoint/gguf_value.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/model/checkpoint/expect_error.h"
#include "tests/model/checkpoint/gguf_writer.h"

namespace perennial {
namespace {

absl::StatusOr<GgufValue> ReadValue(GgufType type, const std::string& raw) {
  static std::string kept;  // values view it
  kept = Raw(static_cast<uint32_t>(type)) + raw;
  ByteCursor cursor(AsBytes(kept));
  return ReadGgufValue(cursor);
}

TEST(GgufValueTest, WidensEveryNumber) {
  EXPECT_EQ(ToInteger(*ReadValue(GgufType::kUint8, Raw<uint8_t>(200))), 200);
  EXPECT_EQ(ToInteger(*ReadValue(GgufType::kInt8, Raw<int8_t>(-3))), -3);
  EXPECT_EQ(ToInteger(*ReadValue(GgufType::kUint16, Raw<uint16_t>(60000))), 60000);
  EXPECT_EQ(ToInteger(*ReadValue(GgufType::kInt16, Raw<int16_t>(-300))), -300);
  EXPECT_EQ(ToInteger(*ReadValue(GgufType::kUint32, Raw<uint32_t>(4000000000))), 4000000000);
  EXPECT_EQ(ToInteger(*ReadValue(GgufType::kInt32, Raw<int32_t>(-70000))), -70000);
  EXPECT_EQ(ToInteger(*ReadValue(GgufType::kUint64, Raw<uint64_t>(1))), 1);
  EXPECT_EQ(ToInteger(*ReadValue(GgufType::kInt64, Raw<int64_t>(-1))), -1);
  EXPECT_EQ(ToReal(*ReadValue(GgufType::kFloat32, Raw(0.5f))), 0.5);
  EXPECT_EQ(ToReal(*ReadValue(GgufType::kFloat64, Raw(0.1))), 0.1);
  EXPECT_EQ(ToReal(*ReadValue(GgufType::kUint8, Raw<uint8_t>(7))), 7.0);
  EXPECT_EQ(std::get<bool>(*ReadValue(GgufType::kBool, Raw<uint8_t>(1))), true);
  EXPECT_EQ(std::get<absl::string_view>(*ReadValue(GgufType::kString, GgufWriter::String("text"))), "text");
}

TEST(GgufValueTest, GivesNoIntegerBeyondInt64) {
  EXPECT_EQ(ToInteger(*ReadValue(GgufType::kUint64, Raw(uint64_t{1} << 63))), std::nullopt);
}

TEST(GgufValueTest, ReadsArraysOfNumbersInPlace) {
  const auto value =
      ReadValue(GgufType::kArray, GgufWriter::Array(GgufType::kInt16, 2, Raw<int16_t>(5) + Raw<int16_t>(-6)));
  const GgufArray& array = std::get<GgufArray>(*value);
  EXPECT_EQ(array.size, 2u);
  EXPECT_EQ(array.Integer(0), 5);
  EXPECT_EQ(array.Integer(1), -6);
  EXPECT_EQ(array.Real(1), -6.0);
}

TEST(GgufValueTest, ReadsArraysInsideArrays) {
  const std::string inner = GgufWriter::Array(GgufType::kString, 1, GgufWriter::String("deep"));
  const auto value = ReadValue(GgufType::kArray, GgufWriter::Array(GgufType::kArray, 2, inner + inner));
  const GgufArray& array = std::get<GgufArray>(*value);
  ASSERT_EQ(array.arrays.size(), 2u);
  EXPECT_EQ(array.arrays[1].strings[0], "deep");
  EXPECT_EQ(array.Integer(0), std::nullopt);
}

TEST(GgufValueTest, RefusesDeepNesting) {
  std::string raw = GgufWriter::Array(GgufType::kUint8, 0, "");
  for (int i = 0; i < 3; ++i) raw = GgufWriter::Array(GgufType::kArray, 1, raw);
  EXPECT_TRUE(ReadValue(GgufType::kArray, raw).ok());
  raw = GgufWriter::Array(GgufType::kArray, 1, raw);
  ExpectInvalid(ReadValue(GgufType::kArray, raw).status(), "nested deeper than the 4 levels");
  for (int i = 0; i < 100000; ++i) raw += GgufWriter::Array(GgufType::kArray, 1, "");
  EXPECT_FALSE(ReadValue(GgufType::kArray, raw).ok());
}

TEST(GgufValueTest, RefusesClaimsThatDoNotFit) {
  ExpectInvalid(ReadValue(GgufType::kString, Raw(uint64_t{1} << 63) + "x").status(),
                "claims 9223372036854775808 bytes");
  ExpectInvalid(ReadValue(GgufType::kString, Raw(uint64_t{5}) + "four").status(), "the file ends inside a string");
  ExpectInvalid(ReadValue(GgufType::kArray, GgufWriter::Array(GgufType::kUint64, uint64_t{1} << 61, "")).status(),
                "claims 2305843009213693952 elements");
  ExpectInvalid(ReadValue(GgufType::kArray, GgufWriter::Array(GgufType::kString, 1 << 24, "")).status(),
                "the file ends inside an array of 16777216");
}

TEST(GgufValueTest, RefusesUnknownTypesAndBools) {
  ExpectInvalid(ReadValue(static_cast<GgufType>(13), "").status(), "value type 13 is unknown");
  ExpectInvalid(ReadValue(GgufType::kArray, GgufWriter::Array(static_cast<GgufType>(99), 1, "x")).status(), "99");
  ExpectInvalid(ReadValue(GgufType::kBool, Raw<uint8_t>(2)).status(), "a bool has the value 2");
  ExpectInvalid(ReadValue(GgufType::kArray, GgufWriter::Array(GgufType::kBool, 1, "\x07")).status(), "value 7");
}

}  // namespace
}  // namespace perennial
