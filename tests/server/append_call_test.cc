#include "server/append_call.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "server/engine/error.h"
#include "tests/server/fake_engine.h"
#include "tests/server/served_engine.h"

namespace perennial {
namespace {

v1::AppendMessagesRequest Messages(const std::vector<std::string>& texts) {
  v1::AppendMessagesRequest request;
  request.set_session_id("abc");
  for (size_t i = 0; i < texts.size(); ++i) {
    v1::Message* message = request.add_messages();
    message->set_role(i % 2 == 0 ? v1::ROLE_USER : v1::ROLE_ASSISTANT);
    message->set_text(texts[i]);
  }
  return request;
}

// One call, on a thread of its own because it waits for its turn.
class Call {
 public:
  Call(v1::ChatService::Stub& stub, const v1::AppendMessagesRequest& request)
      : thread_([this, &stub, request] { status_ = stub.AppendMessages(&context_, request, &response_); }) {}

  grpc::Status End() {
    thread_.join();
    return status_;
  }
  void Cancel() { context_.TryCancel(); }
  const v1::AppendMessagesResponse& response() const { return response_; }

 private:
  grpc::ClientContext context_;
  v1::AppendMessagesResponse response_;
  grpc::Status status_;
  std::thread thread_;
};

TEST(AppendCallTest, IsATurnWithoutAReply) {
  FakeEngine engine;
  engine.session->id = "abc";
  engine.session->turns = 3;
  ServedEngine served(&engine);
  v1::AppendMessagesRequest request = Messages({"hi", "hello", "a", "b"});
  request.set_expected_turn(2);
  request.set_long_message(v1::LONG_MESSAGE_REFUSE);
  Call call(*served.stub, request);
  const FakeEngine::Submitted turn = engine.AwaitTurn();
  EXPECT_EQ(turn.spec.session_id, "abc");
  EXPECT_FALSE(turn.spec.reply);
  EXPECT_EQ(turn.spec.expected_turn, 2);
  EXPECT_TRUE(turn.spec.refuse_long_message);
  EXPECT_EQ(turn.spec.message.tokens,
            (std::vector<TokenId>{kByteUser, 'h', 'i', kByteEnd, kByteAssistant, 'h', 'e', 'l', 'l', 'o', kByteEnd,
                                  kByteUser, 'a', kByteEnd, kByteAssistant, 'b'}))
      << "without what closes the last reply";
  TurnResult result;
  result.session_id = "abc";
  result.turn = 3;
  result.usage.prompt_tokens = 16;
  turn.sink->OnFinish(result);
  const grpc::Status status = call.End();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(call.response().turn(), 3);
  EXPECT_EQ(call.response().usage().prompt_tokens(), 16);
  EXPECT_EQ(call.response().session().turns(), 3);
}

TEST(AppendCallTest, EveryBadFieldIsNamed) {
  FakeEngine engine;
  ServedEngine served(&engine);
  struct Case {
    std::string field;
    std::function<void(v1::AppendMessagesRequest&)> spoil;
  };
  const Case cases[] = {
      {"session_id", [](v1::AppendMessagesRequest& r) { r.clear_session_id(); }},
      {"messages", [](v1::AppendMessagesRequest& r) { r.clear_messages(); }},
      {"messages", [](v1::AppendMessagesRequest& r) { r.mutable_messages()->RemoveLast(); }},
      {"messages", [](v1::AppendMessagesRequest& r) { r.mutable_messages(0)->set_role(v1::ROLE_SYSTEM); }},
      {"messages[1].role", [](v1::AppendMessagesRequest& r) { r.mutable_messages(1)->set_role(v1::ROLE_UNSPECIFIED); }},
      {"messages", [](v1::AppendMessagesRequest& r) { r.mutable_messages(0)->set_text(std::string(1 << 20, 'x')); }},
      {"messages", [](v1::AppendMessagesRequest& r) { r.mutable_messages(0)->set_text(std::string(70'000, 'x')); }},
      {"messages", [](v1::AppendMessagesRequest& r) { r = Messages(std::vector<std::string>(20'000)); }},
      {"long_message", [](v1::AppendMessagesRequest& r) { r.set_long_message(static_cast<v1::LongMessage>(9)); }},
      {"if_busy", [](v1::AppendMessagesRequest& r) { r.set_if_busy(static_cast<v1::IfBusy>(9)); }},
      {"expected_turn", [](v1::AppendMessagesRequest& r) { r.set_expected_turn(-1); }},
  };
  for (const Case& bad : cases) {
    v1::AppendMessagesRequest request = Messages({"hi", "hello"});
    bad.spoil(request);
    Call call(*served.stub, request);
    const grpc::Status status = call.End();
    ASSERT_TRUE(BadRequestOf(status).has_value()) << bad.field << ": " << status.error_message();
    EXPECT_EQ(BadRequestOf(status)->field_violations(0).field(), bad.field);
  }
  EXPECT_EQ(engine.num_turns(), 0u);
}

TEST(AppendCallTest, ATurnThatCannotBeHasTheEnginesStatus) {
  FakeEngine engine;
  engine.refusal = MakeError(ErrorReason::kSessionNotFound, "no such session");
  ServedEngine served(&engine);
  Call call(*served.stub, Messages({"hi", "hello"}));
  EXPECT_EQ(ReasonOf(call.End()), "SESSION_NOT_FOUND");
}

TEST(AppendCallTest, OneThatWasCancelledAppendedNothing) {
  FakeEngine engine;
  ServedEngine served(&engine);
  Call call(*served.stub, Messages({"hi", "hello"}));
  TurnResult result;
  result.session_id = "abc";
  result.reason = FinishReason::kCancelled;
  engine.AwaitTurn().sink->OnFinish(result);
  EXPECT_EQ(call.End().error_code(), grpc::StatusCode::CANCELLED);
}

TEST(AppendCallTest, AClientThatLeavesCancelsTheTurn) {
  FakeEngine engine;
  ServedEngine served(&engine);
  Call call(*served.stub, Messages({"hi", "hello"}));
  const FakeEngine::Submitted turn = engine.AwaitTurn();
  const int64_t wakes = engine.wakes();
  call.Cancel();
  EXPECT_EQ(call.End().error_code(), grpc::StatusCode::CANCELLED);
  engine.AwaitWakes(wakes + 1);
  EXPECT_TRUE(turn.ticket->left());
  TurnResult result;
  result.status = absl::CancelledError("the turn was cancelled");
  turn.sink->OnFinish(result);
}

}  // namespace
}  // namespace perennial
