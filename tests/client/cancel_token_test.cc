#include "client/cancel_token.h"

#include <thread>

#include "client/chat_client.h"
#include "gtest/gtest.h"
#include "tests/client/fake_chat_service.h"

namespace perennial {
namespace {

class CancelTokenTest : public testing::Test {
 protected:
  CancelTokenTest() {
    server_.service().SetOnChat([](const v1::ChatRequest&) {
      return FakeTurn{.events = {StartedEvent(20), DeltaEvent("thinking")}, .end = std::nullopt};
    });
    request_.set_message("Hello");
  }

  FakeChatServer server_;
  std::unique_ptr<ChatClient> client_ = *ChatClient::Create({.server = server_.address()});
  v1::ChatRequest request_;
};

TEST_F(CancelTokenTest, EndsARunningCallFromAnotherThread) {
  CancelToken cancel;
  std::thread canceller;
  const auto finished = client_->Chat(
      request_,
      [&](const v1::TurnEvent& event) {
        if (event.has_delta()) canceller = std::thread([&cancel] { cancel.Cancel(); });
      },
      &cancel);
  canceller.join();
  EXPECT_EQ(finished.status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(server_.service().WaitForCancelledTurns(1));
}

TEST_F(CancelTokenTest, StaysCancelledForCallsThatStartLater) {
  CancelToken cancel;
  EXPECT_FALSE(cancel.cancelled());
  cancel.Cancel();
  EXPECT_TRUE(cancel.cancelled());
  const auto finished = client_->Chat(
      request_, [](const v1::TurnEvent&) {}, &cancel);
  EXPECT_EQ(finished.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(CancelTokenTest, AfterTheCallItTouchesNothing) {
  server_.service().SetOnChat(nullptr);
  CancelToken cancel;
  EXPECT_TRUE(client_
                  ->Chat(
                      request_, [](const v1::TurnEvent&) {}, &cancel)
                  .ok());
  cancel.Cancel();
  EXPECT_EQ(server_.service().cancelled_turns(), 0);
}

}  // namespace
}  // namespace perennial
