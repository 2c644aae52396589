#include "server/turn_request.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "server/engine/error.h"

namespace perennial {
namespace {

v1::AttachRequest Request() {
  v1::AttachRequest request;
  request.set_session_id("s");
  request.set_turn(3);
  return request;
}

TEST(TurnRequestTest, AttachBeginsAtTheFirstEventUnlessItSaysOtherwise) {
  absl::StatusOr<AttachSpec> spec = CheckAttach(Request());
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->turn.session_id, "s");
  EXPECT_EQ(spec->turn.turn, 3);
  EXPECT_EQ(spec->from_sequence, 1);
  EXPECT_FALSE(spec->from_oldest);
  v1::AttachRequest request = Request();
  request.set_from_sequence(9);
  EXPECT_EQ(CheckAttach(request)->from_sequence, 9);
  request.clear_from_sequence();
  request.set_from_oldest(true);
  EXPECT_TRUE(CheckAttach(request)->from_oldest);
}

TEST(TurnRequestTest, BadFieldsAreNamed) {
  v1::AttachRequest negative = Request(), both = Request(), id = Request();
  negative.set_from_sequence(-1);
  both.set_from_sequence(2);
  both.set_from_oldest(true);
  id.set_request_id("\x7f");
  for (const auto& [request, field] :
       {std::pair(negative, "from_sequence: "), std::pair(both, "from_sequence: "), std::pair(id, "request_id: ")}) {
    const absl::Status status = CheckAttach(request).status();
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidField);
    EXPECT_TRUE(absl::StartsWith(status.message(), field)) << status;
  }
}

TEST(TurnRequestTest, CancelTurnNamesATurnOrNone) {
  v1::CancelTurnRequest request;
  request.set_session_id("s");
  EXPECT_EQ(CheckCancelTurn(request)->turn, 0);
  request.set_request_id("r");
  EXPECT_EQ(CheckCancelTurn(request)->request_id, "r");
  request.set_request_id(std::string(129, 'r'));
  EXPECT_EQ(ReasonOf(CheckCancelTurn(request).status()), ErrorReason::kInvalidField);
}

}  // namespace
}  // namespace perennial
