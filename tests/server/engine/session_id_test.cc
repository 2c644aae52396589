#include "server/engine/session_id.h"

#include "gtest/gtest.h"

namespace perennial {
namespace {

TEST(SessionIdTest, Spells128RandomBits) {
  uint64_t next = 0;
  EXPECT_EQ(NewSessionId([&] { return next++; }), "00000000000000000000000000000001");
  next = 0xfedcba9876543210;
  EXPECT_EQ(NewSessionId([&] { return next++; }), "fedcba9876543210fedcba9876543211");
}

TEST(SessionIdTest, IsRecognised) {
  EXPECT_TRUE(IsSessionId("fedcba9876543210fedcba9876543211"));
  EXPECT_FALSE(IsSessionId(""));
  EXPECT_FALSE(IsSessionId("fedcba9876543210fedcba987654321"));
  EXPECT_FALSE(IsSessionId("fedcba9876543210fedcba98765432111"));
  EXPECT_FALSE(IsSessionId("FEDCBA9876543210fedcba9876543211"));
  EXPECT_FALSE(IsSessionId("fedcba9876543210fedcba987654321g"));
}

}  // namespace
}  // namespace perennial
