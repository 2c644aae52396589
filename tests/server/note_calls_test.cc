// ChatService's calls about notes, on an engine that the test answers for.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/chat_service.h"
#include "server/engine/error.h"
#include "tests/server/fake_engine.h"
#include "tests/server/served_engine.h"

namespace perennial {
namespace {

using Stub = v1::ChatService::Stub;

class NoteCallsTest : public ::testing::Test {
 protected:
  NoteCallsTest() : served_(&engine_) {}

  // Calls one unary method.
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    return (served_.stub.get()->*method)(&context, request, response);
  }

  FakeEngine engine_;
  ServedEngine served_;
};

TEST_F(NoteCallsTest, NotesAreRenderedAndAnsweredWhenTheEngineHasWrittenThem) {
  engine_.notes = SessionNotes{.text = "n", .pinned_turns = {2, 3}, .tokens = 7, .budget_tokens = 9};
  v1::SetNotesRequest request;
  request.set_session_id("abc");
  request.set_text("n");
  request.set_keep_pinned_turns(true);
  v1::SetNotesResponse response;
  ASSERT_TRUE(Call(&Stub::SetNotes, request, &response).ok());
  EXPECT_EQ(engine_.named, "abc");
  EXPECT_EQ(engine_.noted.text, "n");
  EXPECT_EQ(engine_.noted.tokens, (std::vector<TokenId>{'n', kByteEnd}));
  EXPECT_TRUE(engine_.noted.keep_pinned_turns);
  EXPECT_EQ(response.notes().text(), "n");
  EXPECT_EQ(response.notes().pinned_turns_size(), 2);
  EXPECT_EQ(response.notes().tokens(), 7);
  EXPECT_EQ(response.notes().budget_tokens(), 9);
  v1::PinTurnRequest pin;
  pin.set_session_id("abd");
  pin.set_turn(3);
  v1::PinTurnResponse pinned;
  ASSERT_TRUE(Call(&Stub::PinTurn, pin, &pinned).ok());
  EXPECT_EQ(engine_.named, "abd");
  EXPECT_EQ(engine_.pinned, 3);
  EXPECT_EQ(pinned.notes().tokens(), 7);

  engine_.notes = MakeError(ErrorReason::kBeyondHorizon, "gone");
  EXPECT_EQ(ReasonOf(Call(&Stub::PinTurn, pin, &pinned)), "BEYOND_HORIZON");
  request.set_text(std::string(BytePromptRenderer::kUnrenderable));
  EXPECT_EQ(BadRequestOf(Call(&Stub::SetNotes, request, &response))->field_violations(0).field(), "text");
  request.set_text(std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(BadRequestOf(Call(&Stub::SetNotes, request, &response))->field_violations(0).field(), "text");
}

}  // namespace
}  // namespace perennial
