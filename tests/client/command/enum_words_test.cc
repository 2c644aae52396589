#include "client/command/enum_words.h"

#include "gtest/gtest.h"
#include "perennial/v1/chat_service.pb.h"

namespace perennial {
namespace {

TEST(EnumWordsTest, NamesLoseTheirPrefix) {
  EXPECT_EQ(EnumWord(*v1::EvictionPolicy_descriptor()->FindValueByNumber(v1::EVICTION_POLICY_TURN_WISE)), "turn_wise");
  EXPECT_EQ(EnumWord(*v1::IfBusy_descriptor()->FindValueByNumber(v1::IF_BUSY_UNSPECIFIED)), "unspecified");
}

TEST(EnumWordsTest, WordsAreReadInAnyCase) {
  v1::IfBusy value = v1::IF_BUSY_UNSPECIFIED;
  EXPECT_TRUE(ParseEnumFlag("if_busy", "", value).ok());
  EXPECT_EQ(value, v1::IF_BUSY_UNSPECIFIED);
  EXPECT_TRUE(ParseEnumFlag("if_busy", "Interrupt", value).ok());
  EXPECT_EQ(value, v1::IF_BUSY_INTERRUPT);
  EXPECT_EQ(ParseEnumFlag("if_busy", "unspecified", value).message(),
            "--if_busy='unspecified' is not wait, reject or interrupt");
  EXPECT_EQ(value, v1::IF_BUSY_INTERRUPT);
}

}  // namespace
}  // namespace perennial
