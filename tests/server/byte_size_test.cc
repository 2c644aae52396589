#include "server/byte_size.h"

#include <gtest/gtest.h>

#include <string>

namespace perennial {
namespace {

int64_t Parsed(absl::string_view text) {
  ByteSize size;
  std::string error;
  return AbslParseFlag(text, &size, &error) ? size.bytes : -1;
}

TEST(ByteSizeTest, ReadsBytesAndUnits) {
  EXPECT_EQ(Parsed("65536"), 65536);
  EXPECT_EQ(Parsed("17B"), 17);
  EXPECT_EQ(Parsed("2GiB"), int64_t{2} << 30);
  EXPECT_EQ(Parsed("1.5 MiB"), 3 << 19);
  EXPECT_EQ(Parsed("4K"), 4096);
  EXPECT_EQ(Parsed("1TiB"), int64_t{1} << 40);
  EXPECT_EQ(Parsed("auto"), kAutoSize.bytes);
  EXPECT_EQ(AbslUnparseFlag(kAutoSize), "auto");
}

TEST(ByteSizeTest, RefusesWhatIsNoSizeAndSaysWhy) {
  for (const char* text : {"", "GiB", "-1", "1.2.3", "2Gi", "2 gib", "1e3", "9999999TiB"}) {
    ByteSize size;
    std::string error;
    EXPECT_FALSE(AbslParseFlag(text, &size, &error)) << text;
    EXPECT_FALSE(error.empty()) << text;
  }
}

TEST(ByteSizeTest, WritesWhatItReads) {
  for (const char* text : {"0", "65535", "64KiB", "3MiB", "2GiB", "1TiB"}) {
    EXPECT_EQ(AbslUnparseFlag({Parsed(text)}), text);
  }
}

TEST(ByteSizeTest, FormatsForPeople) {
  EXPECT_EQ(FormatBytes(17), "17 bytes");
  EXPECT_EQ(FormatBytes(23040), "22.5 KiB");
  EXPECT_EQ(FormatBytes(int64_t{3} << 29), "1.50 GiB");
}

}  // namespace
}  // namespace perennial
