// Stopping a turn that has a request id: by CancelTurn, so that it ends as a turn does.
#include "client/turn_stop.h"

#include <thread>

#include "client/chat_client.h"
#include "gtest/gtest.h"
#include "tests/client/fake_chat_service.h"

namespace perennial {
namespace {

class TurnStopTest : public testing::Test {
 protected:
  TurnStopTest() {
    server_.service().SetOnChat([](const v1::ChatRequest&) {
      return FakeTurn{.events = {StartedEvent(20), DeltaEvent("thinking")}, .end = std::nullopt};
    });
    request_.set_message("Hello");
  }

  FakeChatServer server_;
  std::unique_ptr<ChatClient> client_ = *ChatClient::Create({.server = server_.address(), .turns_survive = true});
  v1::ChatRequest request_;
};

TEST_F(TurnStopTest, TheReplyIsClosedAndItsFiguresCome) {
  CancelToken cancel;
  const auto finished = client_->Chat(
      request_,
      [&](const v1::TurnEvent& event) {
        if (event.has_delta()) cancel.Cancel();
      },
      &cancel);
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_EQ(finished->reason(), v1::FINISH_REASON_CANCELLED);
  EXPECT_TRUE(server_.service().WaitForCancelledTurns(1));
}

TEST_F(TurnStopTest, AWishThatOvertakesTheTurnIsRepeated) {
  CancelToken cancel;
  server_.service().SetOnArrival([&](const v1::ChatRequest&) -> std::optional<grpc::Status> {
    cancel.Cancel();
    EXPECT_TRUE(server_.service().WaitForCancelCalls(1));
    return std::nullopt;  // only now is the turn known
  });
  const auto finished = client_->Chat(
      request_, [](const v1::TurnEvent&) {}, &cancel);
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_EQ(finished->reason(), v1::FINISH_REASON_CANCELLED);
}

TEST_F(TurnStopTest, TheSecondWishCutsTheCall) {
  server_.service().IgnoreCancelTurn();
  CancelToken cancel;
  std::thread impatient;
  const auto finished = client_->Chat(
      request_,
      [&](const v1::TurnEvent& event) {
        if (!event.has_delta()) return;
        impatient = std::thread([&] {
          cancel.Cancel();
          EXPECT_TRUE(server_.service().WaitForCancelCalls(1));
          cancel.Cancel();
        });
      },
      &cancel);
  impatient.join();
  EXPECT_EQ(finished.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(TurnStopTest, WhileTheServerCannotBeReachedTheCallEndsAtOnce) {
  client_ =
      *ChatClient::Create({.server = "127.0.0.1:1", .turns_survive = true, .reconnect = {.patience = absl::Hours(1)}});
  class CancelOnLoss : public ConnectionObserver {
   public:
    explicit CancelOnLoss(CancelToken& cancel) : cancel_(cancel) {}
    void OnLost(const absl::Status&, absl::Duration) override { cancel_.Cancel(); }
    void OnFound() override {}

   private:
    CancelToken& cancel_;
  };
  CancelToken cancel;
  CancelOnLoss observer(cancel);
  const auto finished = client_->Chat(
      request_, [](const v1::TurnEvent&) {}, &cancel, &observer);
  EXPECT_EQ(finished.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(TurnStopTest, LeavingAnAttachedTurnLeavesItAlone) {
  const auto session = client_->CreateSession({});
  request_.set_session_id(session->session_id());
  std::thread chat([&] { EXPECT_TRUE(client_->Chat(request_, [](const v1::TurnEvent&) {}).ok()); });
  v1::AttachRequest attach;
  attach.set_session_id(session->session_id());
  attach.set_turn(1);
  // The turn may not have arrived yet.
  absl::Status status;
  do {
    CancelToken cancel;
    status = client_
                 ->Attach(
                     attach,
                     [&](const v1::TurnEvent& event) {
                       if (event.has_delta()) cancel.Cancel();
                     },
                     &cancel)
                 .status();
  } while (status.code() == absl::StatusCode::kOutOfRange);
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(server_.service().cancelled_turns(), 0);
  v1::CancelTurnRequest end;
  end.set_session_id(session->session_id());
  end.set_turn(1);
  EXPECT_EQ(*client_->CancelTurn(end), 1);
  chat.join();
}

}  // namespace
}  // namespace perennial
