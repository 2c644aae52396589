// One line per hostile file: the code, and what the message must name.

#ifndef PERENNIAL_TESTS_MODEL_CHECKPOINT_EXPECT_ERROR_H_
#define PERENNIAL_TESTS_MODEL_CHECKPOINT_EXPECT_ERROR_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"

namespace perennial {

// Fails unless `status` has this code, and a message of one line that contains `text`.
inline void ExpectError(const absl::Status& status, absl::StatusCode code, const std::string& text) {
  const std::string message(status.message());
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(message, testing::HasSubstr(text));
  EXPECT_THAT(message, testing::Not(testing::HasSubstr("\n")));
}

inline void ExpectInvalid(const absl::Status& status, const std::string& text) {
  ExpectError(status, absl::StatusCode::kInvalidArgument, text);
}

inline void ExpectUnimplemented(const absl::Status& status, const std::string& text) {
  ExpectError(status, absl::StatusCode::kUnimplemented, text);
}

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_CHECKPOINT_EXPECT_ERROR_H_
