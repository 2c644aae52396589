#include "model/checkpoint/byte_cursor.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "tests/model/checkpoint/gguf_writer.h"

namespace perennial {
namespace {

TEST(ByteCursorTest, ReadsInOrderAndStopsAtTheEnd) {
  const std::string bytes = Raw<uint16_t>(0x0201) + Raw<uint32_t>(7) + "x";
  ByteCursor cursor(AsBytes(bytes));
  uint16_t small = 0;
  uint32_t number = 0;
  ASSERT_TRUE(cursor.Read(&small));
  ASSERT_TRUE(cursor.Read(&number));
  EXPECT_EQ(small, 0x0201);
  EXPECT_EQ(number, 7u);
  EXPECT_EQ(cursor.position(), 6u);
  EXPECT_FALSE(cursor.Read(&small));
  EXPECT_EQ(cursor.position(), 6u);  // a read that failed moves nothing
  EXPECT_EQ(cursor.remaining(), 1u);
}

TEST(ByteCursorTest, TakesOnlyWhatIsThere) {
  const std::string bytes = "abc";
  ByteCursor cursor(AsBytes(bytes));
  absl::Span<const std::byte> taken;
  EXPECT_FALSE(cursor.Take(4, &taken));
  EXPECT_FALSE(cursor.Take(std::numeric_limits<uint64_t>::max(), &taken));
  EXPECT_TRUE(cursor.Take(0, &taken));
  EXPECT_TRUE(cursor.Take(3, &taken));
  EXPECT_EQ(taken.size(), 3u);
  EXPECT_FALSE(cursor.Take(1, &taken));
}

}  // namespace
}  // namespace perennial
