// Streams that survive, over real sockets: connections that are cut, clients that come back, requests sent twice.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/chat_calls.h"
#include "tests/e2e/server_process.h"

namespace perennial {
namespace {

constexpr char kFakeServer[] = FAKE_PERENNIALD;

v1::ChatRequest SayOn(const std::string& session_id, const std::string& request_id, int64_t max_tokens) {
  v1::ChatRequest request = Say(session_id, "hello");
  request.set_request_id(request_id);
  request.set_on_disconnect(v1::ON_DISCONNECT_CONTINUE);
  request.set_max_tokens(max_tokens);
  return request;
}

v1::AttachRequest AttachTo(const std::string& session_id, const std::string& request_id, int64_t from_sequence) {
  v1::AttachRequest request;
  request.set_session_id(session_id);
  request.set_request_id(request_id);
  request.set_from_sequence(from_sequence);
  return request;
}

// The reply to the same message that nobody disturbs.
std::string Undisturbed(v1::ChatService::Stub& stub, int64_t max_tokens) {
  ChatStream chat(stub, SayOn(NewSession(stub).session_id(), "undisturbed", max_tokens));
  EXPECT_TRUE(chat.End().ok());
  return chat.text();
}

TEST(ReconnectE2eTest, AReplyWhoseConnectionIsCutGoesOnWithoutALostOrDoubledCharacter) {
  ServerProcess server(kFakeServer, {"--model=slow"});
  auto stub = Connect(server.address());
  const std::string whole = Undisturbed(*stub, 60);
  const std::string id = NewSession(*stub).session_id();

  std::string text;
  int64_t sequence = 0;
  {
    ChatStream chat(*stub, SayOn(id, "r", 60));
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(chat.ReadUntil(v1::TurnEvent::kDelta));
    chat.Cancel();
    text = chat.text();
    sequence = chat.sequence();
  }
  stub = Connect(server.address());  // another connection
  for (int cuts = 0; cuts < 3; ++cuts) {
    AttachStream back(*stub, AttachTo(id, "r", sequence + 1));
    ASSERT_TRUE(back.Next()->has_state());
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(back.ReadUntil(v1::TurnEvent::kDelta));
    back.Cancel();
    text += back.text();
    sequence = back.sequence();
  }
  AttachStream last(*stub, AttachTo(id, "r", sequence + 1));
  ASSERT_TRUE(last.End().ok());
  EXPECT_EQ(last.finished().usage().generated_tokens(), 60);
  EXPECT_EQ(text + last.text(), whole);
  EXPECT_EQ(GetStats(*stub).turns_started(), 2);
}

TEST(ReconnectE2eTest, ARequestThatIsSentAgainAndAgainIsGeneratedOnce) {
  ServerProcess server(kFakeServer, {"--model=slow"});
  const auto stub = Connect(server.address());
  const std::string whole = Undisturbed(*stub, 30);
  const std::string id = NewSession(*stub).session_id();
  // All at once, and once more when it is over.
  std::vector<std::string> texts(8);
  std::vector<std::thread> clients;
  for (std::string& text : texts) {
    clients.emplace_back([&server, &text, &id] {
      const auto own = Connect(server.address());
      ChatStream chat(*own, SayOn(id, "r", 30));
      EXPECT_TRUE(chat.End().ok());
      text = chat.text();
    });
  }
  for (std::thread& client : clients) client.join();
  for (const std::string& text : texts) EXPECT_EQ(text, whole);
  ChatStream late(*stub, SayOn(id, "r", 30));
  ASSERT_TRUE(late.End().ok());
  EXPECT_EQ(late.text(), whole);
  EXPECT_EQ(late.finished().usage().generated_tokens(), 30);

  const v1::Stats stats = GetStats(*stub);
  EXPECT_EQ(stats.turns_started(), 2);
  EXPECT_EQ(stats.turns_rejoined(), 8);
  EXPECT_EQ(stats.generated_tokens(), 60);
  v1::ChatRequest other = SayOn(id, "r", 31);
  ChatStream reused(*stub, other);
  const grpc::Status status = reused.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(ReasonOf(status), "REQUEST_ID_REUSED");
}

TEST(ReconnectE2eTest, CancelTurnFinishesATurnThatNobodyFollows) {
  ServerProcess server(kFakeServer, {"--model=slow"});
  const auto stub = Connect(server.address());
  const std::string id = NewSession(*stub).session_id();
  std::string text;
  {
    ChatStream chat(*stub, SayOn(id, "r", 100'000));
    ASSERT_TRUE(chat.ReadUntil(v1::TurnEvent::kDelta));
    chat.Cancel();
    EXPECT_EQ(chat.End().error_code(), grpc::StatusCode::CANCELLED);
    text = chat.text();
  }
  v1::CancelTurnRequest cancel;
  cancel.set_session_id(id);
  cancel.set_request_id("r");
  v1::CancelTurnResponse cancelled;
  grpc::ClientContext context;
  ASSERT_TRUE(stub->CancelTurn(&context, cancel, &cancelled).ok());
  EXPECT_EQ(cancelled.cancelled_turns(), 1);
  AttachStream replay(*stub, AttachTo(id, "r", 1));
  ASSERT_TRUE(replay.End().ok());
  EXPECT_EQ(replay.finished().reason(), v1::FINISH_REASON_CANCELLED);
  EXPECT_EQ(replay.text().substr(0, text.size()), text);
}

TEST(ReconnectE2eTest, ATurnNobodyComesBackToEndsAndItsSessionIsUsable) {
  ServerProcess server(kFakeServer, {"--model=slow", "--detach_timeout=200ms"});
  const auto stub = Connect(server.address());
  const std::string id = NewSession(*stub).session_id();
  {
    ChatStream chat(*stub, SayOn(id, "r", 100'000));
    ASSERT_TRUE(chat.ReadUntil(v1::TurnEvent::kDelta));
    chat.Cancel();
  }
  ChatStream next(*stub, SayOn(id, "s", 3));  // waits until the session is free
  ASSERT_TRUE(next.End().ok());
  AttachStream ended(*stub, AttachTo(id, "r", 1));
  EXPECT_EQ(ended.End().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(ended.events().front().state().phase(), v1::TURN_PHASE_ENDED);
}

}  // namespace
}  // namespace perennial
