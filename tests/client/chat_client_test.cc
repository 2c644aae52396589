#include "client/chat_client.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/error_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_chat_service.h"

namespace perennial {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::MatchesRegex;
using ::testing::SizeIs;

class ChatClientTest : public testing::Test {
 protected:
  FakeChatService& service() { return server_.service(); }

  FakeChatServer server_;
  std::unique_ptr<ChatClient> client_ = *ChatClient::Create({.server = server_.address()});
};

TEST_F(ChatClientTest, SendsItsRouteWithEveryCall) {
  const auto session = client_->CreateSession({});
  ASSERT_TRUE(session.ok()) << session.status();
  v1::ChatRequest request;
  request.set_message("Hello");
  v1::UpdateSessionRequest update;
  update.set_session_id(session->session_id());
  EXPECT_TRUE(client_->GetSession(session->session_id()).ok());
  EXPECT_TRUE(client_->ListSessions().ok());
  EXPECT_TRUE(client_->UpdateSession(update).ok());
  EXPECT_TRUE(client_->Chat(request, [](const v1::TurnEvent&) {}).ok());
  EXPECT_TRUE(client_->DeleteSession(session->session_id()).ok());
  EXPECT_TRUE(client_->GetModel().ok());
  EXPECT_TRUE(client_->GetStats().ok());
  EXPECT_TRUE(client_->CountTokens({}).ok());
  EXPECT_THAT(service().routes(), SizeIs(9));
  EXPECT_THAT(service().routes(), Each(client_->route()));
  EXPECT_EQ(session->route(), client_->route());
  EXPECT_EQ(service().chats()[0].config().route(), client_->route());
}

TEST_F(ChatClientTest, RoutesAreRandomUnlessGiven) {
  std::set<std::string> routes;
  for (int i = 0; i < 100; ++i) routes.insert(RandomRoute());
  EXPECT_THAT(routes, SizeIs(100));
  EXPECT_THAT(routes, Each(MatchesRegex("[A-Za-z0-9]+")));
  EXPECT_THAT(*routes.begin(), SizeIs(22));
  EXPECT_EQ((*ChatClient::Create({.route = "mine"}))->route(), "mine");
}

TEST_F(ChatClientTest, RefusesMalformedOptions) {
  for (const char* server : {"", "50051", "host", "host:", ":50051", "host:0", "host:65536", "host:port"}) {
    EXPECT_EQ(ChatClient::Create({.server = server}).status().code(), absl::StatusCode::kInvalidArgument) << server;
  }
  for (const char* server : {"host:1", "[::1]:65535", "unix:/run/perennial.sock", "dns:///host:1"}) {
    EXPECT_TRUE(ChatClient::Create({.server = server}).ok()) << server;
  }
  EXPECT_FALSE(ChatClient::Create({.route = "a b"}).ok());
  EXPECT_FALSE(ChatClient::Create({.route = std::string(65, 'a')}).ok());
  EXPECT_TRUE(ChatClient::Create({.route = std::string(64, 'a')}).ok());
}

TEST_F(ChatClientTest, StreamsEveryEventInOrder) {
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {QueuedEvent(1), StartedEvent(20), DeltaEvent("a"), DeltaEvent("b"), FinishedEvent()}};
  });
  v1::ChatRequest request;
  request.set_message("Hello");
  std::vector<int> cases;
  const auto finished =
      client_->Chat(request, [&](const v1::TurnEvent& event) { cases.push_back(event.event_case()); });
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_EQ(finished->reason(), v1::FINISH_REASON_END_OF_TURN);
  EXPECT_THAT(cases, ElementsAre(v1::TurnEvent::kQueued, v1::TurnEvent::kStarted, v1::TurnEvent::kDelta,
                                 v1::TurnEvent::kDelta, v1::TurnEvent::kFinished));
}

TEST_F(ChatClientTest, AStreamWithoutFinishedIsAnError) {
  service().SetOnChat([](const v1::ChatRequest&) { return FakeTurn{.events = {StartedEvent(20)}}; });
  EXPECT_EQ(client_->Chat({}, [](const v1::TurnEvent&) {}).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(ChatClientTest, ATurnThatTheServerCancelsIsAborted) {
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {StartedEvent(20)}, .end = grpc::Status(grpc::StatusCode::CANCELLED, "session deleted")};
  });
  CancelToken cancel;
  const absl::Status status = client_
                                  ->Chat(
                                      {}, [](const v1::TurnEvent&) {}, &cancel)
                                  .status();
  EXPECT_EQ(status, absl::AbortedError("the server cancelled the turn: session deleted"));
}

TEST_F(ChatClientTest, ListsAllPages) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client_->CreateSession({}).ok());
  const auto sessions = client_->ListSessions();
  ASSERT_TRUE(sessions.ok());
  EXPECT_THAT(*sessions, SizeIs(5));
  EXPECT_THAT(*client_->ListSessions(v1::SESSION_STATE_RUNNING), SizeIs(0));
}

TEST_F(ChatClientTest, RepeatsCallsThatChangeNothingWhenUnavailable) {
  service().FailStats(2, grpc::Status(grpc::StatusCode::UNAVAILABLE, "busy"));
  EXPECT_TRUE(client_->GetStats().ok());
  EXPECT_EQ(service().stats_calls(), 3);
}

TEST_F(ChatClientTest, RepeatsCallsWithARequestIdAndTheyAreDoneOnce) {
  service().LoseAnswers(1);
  const auto session = client_->CreateSession({});
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_THAT(service().sessions(), SizeIs(1));

  v1::AppendMessagesRequest append;
  append.set_session_id(session->session_id());
  append.add_messages()->set_text("My name is Ada.");
  service().LoseAnswers(2);
  const auto appended = client_->AppendMessages(append);
  ASSERT_TRUE(appended.ok()) << appended.status();
  EXPECT_EQ(appended->turn(), 1);
  EXPECT_EQ(service().sessions()[0].last_turn(), 1);

  v1::ForkSessionRequest fork;
  fork.set_session_id(session->session_id());
  service().LoseAnswers(1);
  EXPECT_TRUE(client_->ForkSession(fork).ok());
  EXPECT_THAT(service().sessions(), SizeIs(2));

  v1::RewindSessionRequest rewind;
  rewind.set_session_id(session->session_id());
  service().LoseAnswers(1);
  const auto rewound = client_->RewindSession(rewind);
  ASSERT_TRUE(rewound.ok()) << rewound.status();
  EXPECT_EQ(rewound->turns(), 0);
  EXPECT_EQ(rewound->last_turn(), 1) << "numbers are not used twice";
}

TEST_F(ChatClientTest, ARequestIdOfTheCallersOwnIsKept) {
  v1::SessionConfig config;
  config.set_route("here");
  const auto first = client_->CreateSession(config, "mine");
  EXPECT_EQ(client_->CreateSession(config, "mine")->session_id(), first->session_id());
  config.set_route("there");
  EXPECT_EQ(ErrorReason(client_->CreateSession(config, "mine").status()), "REQUEST_ID_REUSED");
}

TEST_F(ChatClientTest, KeepsNotesPinsAndTranscripts) {
  service().KeepTranscripts();
  v1::SessionConfig config;
  config.set_note_tokens(40);
  const std::string id = client_->CreateSession(config)->session_id();
  v1::ChatRequest chat;
  chat.set_session_id(id);
  chat.set_message("I am Ada.");
  ASSERT_TRUE(client_->Chat(chat, [](const v1::TurnEvent&) {}).ok());

  v1::SetNotesRequest notes;
  notes.set_session_id(id);
  notes.set_text("Ada, 36");
  const auto set = client_->SetNotes(notes);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->tokens(), 7);
  EXPECT_EQ(set->budget_tokens(), 40);
  const auto pinned = client_->PinTurn(id, 1);
  ASSERT_TRUE(pinned.ok()) << pinned.status();
  EXPECT_THAT(pinned->pinned_turns(), ElementsAre(1));
  EXPECT_EQ(ErrorReason(client_->PinTurn(id, 9).status()), "INVALID_FIELD");
  const auto transcript = client_->GetTranscript(id);
  ASSERT_TRUE(transcript.ok());
  ASSERT_THAT(*transcript, SizeIs(1));
  EXPECT_EQ((*transcript)[0].messages(1).text(), "echo: I am Ada.");
}

TEST_F(ChatClientTest, DoesNotRepeatOtherFailuresOrTurns) {
  service().FailStats(1, grpc::Status(grpc::StatusCode::INTERNAL, "broken"));
  EXPECT_EQ(client_->GetStats().status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(service().stats_calls(), 1);

  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {}, .end = grpc::Status(grpc::StatusCode::UNAVAILABLE, "busy")};
  });
  EXPECT_EQ(client_->Chat({}, [](const v1::TurnEvent&) {}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(service().chats(), SizeIs(1));
}

TEST_F(ChatClientTest, ErrorsKeepTheirReason) {
  const absl::Status status = client_->DeleteSession("beef").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(status), "SESSION_NOT_FOUND");
}

TEST(ChatClientReconnectTest, FindsAServerThatIsBack) {
  FakeChatService service;
  int port = 0;
  const auto serve_on = [&](int wanted_port) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", wanted_port), grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service);
    return builder.BuildAndStart();
  };
  auto server = serve_on(0);
  const auto client = *ChatClient::Create({.server = absl::StrCat("127.0.0.1:", port)});
  ASSERT_TRUE(client->CreateSession({}).ok());
  server->Shutdown(std::chrono::system_clock::now());
  server.reset();
  EXPECT_EQ(ClassifyError(client->CreateSession({}).status()), ErrorClass::kUnreachable);
  server = serve_on(port);
  ASSERT_NE(server, nullptr);
  // GetModel waits between its own attempts: no waiting of ours.
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (!client->GetModel().ok()) ASSERT_LT(absl::Now(), deadline) << "not found again";
  EXPECT_TRUE(client->CreateSession({}).ok());
}

}  // namespace
}  // namespace perennial
