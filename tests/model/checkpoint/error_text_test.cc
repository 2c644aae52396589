#include "model/checkpoint/error_text.h"

#include <gtest/gtest.h>

#include <string>

namespace perennial {
namespace {

TEST(ErrorTextTest, QuotesOnOneLineAndCutsLongText) {
  EXPECT_EQ(Quoted("plain"), "\"plain\"");
  EXPECT_EQ(Quoted("a\nb\"c\x01\xFF"), "\"a\\nb\\\"c\\x01\\xff\"");
  EXPECT_EQ(Quoted(std::string(200, 'a')), "\"" + std::string(80, 'a') + "...\" (200 bytes)");
}

TEST(ErrorTextTest, PutsThePlaceBeforeTheReason) {
  EXPECT_TRUE(Within("file", absl::OkStatus()).ok());
  const absl::Status within = Within("file", absl::NotFoundError("reason"));
  EXPECT_EQ(within.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(within.message(), "file: reason");
}

TEST(ErrorTextTest, WritesShapes) {
  EXPECT_EQ(ShapeText({2, 3}), "[2, 3]");
  EXPECT_EQ(ShapeText({}), "[]");
}

}  // namespace
}  // namespace perennial
