#include "model/check.h"

#include <gtest/gtest.h>

namespace perennial {
namespace {

TEST(CheckTest, EvaluatesTheConditionOnce) {
  int evaluations = 0;
  PERENNIAL_CHECK(++evaluations > 0);
  EXPECT_EQ(evaluations, 1);
}

TEST(CheckDeathTest, NamesThePlaceAndTheCondition) {
  const int answer = 41;
  EXPECT_DEATH(PERENNIAL_CHECK(answer == 42), "check_test.cc:[0-9]+: check failed: answer == 42");
}

}  // namespace
}  // namespace perennial
