// Turns over a real socket, on the fake runner.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/chat_calls.h"
#include "tests/e2e/server_process.h"

namespace perennial {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kFakeServer[] = FAKE_PERENNIALD;
constexpr char kStreamClient[] = STREAM_CLIENT;

// A turn that ends only when somebody ends it.
v1::ChatRequest SayForEver(const std::string& session_id, const std::string& message) {
  v1::ChatRequest request = Say(session_id, message);
  request.set_max_tokens(0);
  request.set_ignore_end_of_turn(true);
  return request;
}

v1::ChatRequest SayShortly(const std::string& session_id, const std::string& message) {
  v1::ChatRequest request = Say(session_id, message);
  request.set_max_tokens(3);
  return request;
}

TEST(ChatE2eTest, StreamsATurnFromStartedToFinished) {
  ServerProcess server(kFakeServer, {"--model=echo"});
  const auto stub = Connect(server.address());
  ChatStream chat(*stub, Say("", "hello"));
  const grpc::Status status = chat.End();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(chat.text(), "hello");  // the echo of all that is visible
  EXPECT_TRUE(chat.events().back().has_finished());
  EXPECT_EQ(chat.finished().reason(), v1::FINISH_REASON_END_OF_TURN);
  int64_t last_sequence = 0;
  for (const v1::TurnEvent& event : chat.events()) {
    if (event.has_heartbeat()) continue;
    EXPECT_EQ(event.first_sequence(), last_sequence + 1);
    EXPECT_GE(event.sequence(), event.first_sequence());
    last_sequence = event.sequence();
  }
}

TEST(ChatE2eTest, UsageAndTimingAreInFinishedAndInTheTrailers) {
  ServerProcess server(kFakeServer, {"--model=echo"});
  const auto stub = Connect(server.address());
  ChatStream chat(*stub, Say("", "hello"));
  ASSERT_TRUE(chat.End().ok());
  const v1::Usage& usage = chat.finished().usage();
  EXPECT_EQ(usage.prompt_tokens(), 8);                                                      // USER hello END ASSISTANT
  EXPECT_EQ(usage.fed_tokens() - usage.prompt_tokens(), 1 + usage.generated_tokens() - 1);  // BOS; all but the last
  EXPECT_EQ(chat.Trailer("x-perennial-generated-tokens"), std::to_string(usage.generated_tokens()));
  EXPECT_EQ(chat.Trailer("x-perennial-fed-tokens"), std::to_string(usage.fed_tokens()));
  EXPECT_EQ(chat.Trailer("x-perennial-session-id"), chat.events().back().session_id());
  EXPECT_THAT(chat.Trailer("x-perennial-first-token-seconds"), Not(IsEmpty()));
}

TEST(ChatE2eTest, ChatWithoutASessionLeavesNone) {
  ServerProcess server(kFakeServer, {"--model=echo"});
  const auto stub = Connect(server.address());
  ChatStream chat(*stub, Say("", "hello"));
  ASSERT_TRUE(chat.End().ok());
  v1::Session session;
  const grpc::Status status = GetSession(*stub, chat.events().back().session_id(), &session);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "SESSION_NOT_FOUND");
}

TEST(ChatE2eTest, ASessionIdMayBeAnythingAndIsNotFound) {
  ServerProcess server(kFakeServer, {"--model=echo"});
  const auto stub = Connect(server.address());
  for (const std::string& id : {std::string("\xc3\xa9"), std::string("a\nb"), std::string(100'000, 'x')}) {
    ChatStream chat(*stub, Say(id, "hello"));
    EXPECT_EQ(ReasonOf(chat.End()), "SESSION_NOT_FOUND");
    v1::AttachRequest request;
    request.set_session_id(id);
    request.set_turn(1);
    AttachStream attach(*stub, request);
    EXPECT_EQ(ReasonOf(attach.End()), "SESSION_NOT_FOUND");
  }
  EXPECT_EQ(GetStats(*stub).turns_rejected(), 3);
}

TEST(ChatE2eTest, ASessionRemembersItsTurns) {
  ServerProcess server(kFakeServer, {"--model=echo"});
  const auto stub = Connect(server.address());
  const std::string id = NewSession(*stub).session_id();
  ChatStream first(*stub, Say(id, "first"));
  ASSERT_TRUE(first.End().ok());
  EXPECT_EQ(first.text(), "first");
  ChatStream second(*stub, Say(id, "second"));
  ASSERT_TRUE(second.End().ok());
  EXPECT_EQ(second.text(), "first");  // still the oldest thing it sees
  EXPECT_EQ(second.events().back().turn(), 2);
  v1::Session session;
  ASSERT_TRUE(GetSession(*stub, id, &session).ok());
  EXPECT_EQ(session.turns(), 2);
  EXPECT_EQ(session.state(), v1::SESSION_STATE_IDLE);
}

TEST(ChatE2eTest, HistoryIsWhatTheSessionStartsWith) {
  ServerProcess server(kFakeServer, {"--model=echo"});
  const auto stub = Connect(server.address());
  v1::SessionConfig config;
  v1::Message* message = config.add_history();
  message->set_role(v1::ROLE_SYSTEM);
  message->set_text("be brief");
  const std::string id = NewSession(*stub, config).session_id();
  ChatStream chat(*stub, Say(id, "hello"));
  ASSERT_TRUE(chat.End().ok());
  EXPECT_EQ(chat.text(), "be brief");
}

TEST(ChatE2eTest, ACancelInDecodeKeepsThePartialReplyAndTheSession) {
  ServerProcess server(kFakeServer, {"--model=slow"});
  const auto stub = Connect(server.address());
  const std::string id = NewSession(*stub).session_id();
  ChatStream cancelled(*stub, SayForEver(id, "go on"));
  ASSERT_TRUE(cancelled.ReadUntil(v1::TurnEvent::kDelta));
  cancelled.Cancel();
  EXPECT_EQ(cancelled.End().error_code(), grpc::StatusCode::CANCELLED);

  // Waits for the turn's end: the engine leases the session to one turn at a time.
  ChatStream next(*stub, SayShortly(id, "hello"));
  ASSERT_TRUE(next.End().ok());
  EXPECT_EQ(next.events().back().turn(), 2);
  EXPECT_EQ(GetStats(*stub).turns_cancelled(), 1);
}

TEST(ChatE2eTest, ACancelInPrefillLeavesNoTrace) {
  ServerProcess server(kFakeServer,
                       {"--model=slow", "--prefill_chunk_tokens=1", "--max_step_tokens=64", "--max_note_tokens=64"});
  const auto stub = Connect(server.address());
  const std::string id = NewSession(*stub).session_id();
  ChatStream first(*stub, SayShortly(id, "hello"));
  ASSERT_TRUE(first.End().ok());
  const int64_t stream_tokens = first.finished().memory().stream_tokens();

  // 60,000 tokens, at most 64 in a step of 20 ms: cannot be fed before it is cancelled.
  ChatStream cancelled(*stub, SayForEver(id, std::string(60000, 'x')));
  ASSERT_TRUE(cancelled.ReadUntil(v1::TurnEvent::kStarted));
  cancelled.Cancel();
  EXPECT_EQ(cancelled.End().error_code(), grpc::StatusCode::CANCELLED);

  ChatStream next(*stub, SayShortly(id, "hello"));
  ASSERT_TRUE(next.ReadUntil(v1::TurnEvent::kStarted));
  EXPECT_EQ(next.events().back().started().memory().stream_tokens(), stream_tokens);
  ASSERT_TRUE(next.End().ok());
  EXPECT_EQ(next.events().back().turn(), 3);
}

TEST(ChatE2eTest, AClientThatDiesIsACancel) {
  ServerProcess server(kFakeServer, {"--model=slow"});
  const auto stub = Connect(server.address());
  const std::string id = NewSession(*stub).session_id();
  {
    ChildProcess client({kStreamClient, server.address(), id});
    ASSERT_TRUE(client.AwaitOutput("delta"));
    client.Signal(SIGKILL);
    EXPECT_EQ(client.AwaitExit(), -SIGKILL);
  }
  ChatStream next(*stub, SayShortly(id, "hello"));
  EXPECT_TRUE(next.End().ok());
  EXPECT_EQ(GetStats(*stub).turns_cancelled(), 1);
}

TEST(ChatE2eTest, ADeadlineEndsTheTurnAndNotTheSession) {
  ServerProcess server(kFakeServer, {"--model=slow"});
  const auto stub = Connect(server.address());
  const std::string id = NewSession(*stub).session_id();
  ChatStream late(*stub, SayForEver(id, "go on"), std::chrono::milliseconds(300));
  EXPECT_EQ(late.End().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  ChatStream next(*stub, SayShortly(id, "hello"));
  EXPECT_TRUE(next.End().ok());
}

TEST(ChatE2eTest, FiftySessionsAtOnceEachGetTheirOwnReply) {
  ServerProcess server(kFakeServer, {"--model=echo"});
  std::vector<std::thread> clients;
  std::vector<std::string> replies(50);
  for (size_t i = 0; i < replies.size(); ++i) {
    clients.emplace_back([&server, &replies, i] {
      const auto stub = Connect(server.address());
      const std::string id = NewSession(*stub).session_id();
      const std::string text = "I am client " + std::to_string(i);
      for (const std::string& message : {text, std::string("and now?"), std::string("and now?")}) {
        ChatStream chat(*stub, Say(id, message));
        const grpc::Status status = chat.End();
        replies[i] += (status.ok() ? chat.text() : status.error_message()) + "\n";
      }
    });
  }
  for (std::thread& client : clients) client.join();
  for (size_t i = 0; i < replies.size(); ++i) {
    const std::string line = "I am client " + std::to_string(i) + "\n";
    EXPECT_EQ(replies[i], line + line + line);
  }
}

TEST(ChatE2eTest, AReaderThatStopsIsPausedThenEndedAndDelaysNobody) {
  ServerProcess server(kFakeServer, {"--model=alphabet", "--max_unread_bytes=1024", "--slow_reader_timeout=500ms"});
  const auto stub = Connect(server.address(), /*fixed_window=*/true);
  const auto other_stub = Connect(server.address());
  const std::string id = NewSession(*stub).session_id();
  ChatStream unread(*stub, SayForEver(id, "go on"));
  ASSERT_TRUE(unread.ReadUntil(v1::TurnEvent::kDelta));

  ChatStream other(*other_stub, SayShortly("", "hello"));
  EXPECT_TRUE(other.End().ok());

  // A turn of the same session begins when the unread one has been ended.
  ChatStream next(*other_stub, SayShortly(id, "hello"));
  EXPECT_TRUE(next.End().ok());
  const grpc::Status status = unread.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(ReasonOf(status), "SLOW_READER");
}

TEST(ChatE2eTest, ASecondTurnOfASessionWaitsOrIsRefusedAsAsked) {
  ServerProcess server(kFakeServer, {"--model=slow"});
  const auto stub = Connect(server.address());
  const std::string id = NewSession(*stub).session_id();
  ChatStream running(*stub, SayForEver(id, "go on"));
  ASSERT_TRUE(running.ReadUntil(v1::TurnEvent::kDelta));

  v1::ChatRequest request = SayShortly(id, "hello");
  request.set_if_busy(v1::IF_BUSY_REJECT);
  ChatStream rejected(*stub, request);
  const grpc::Status status = rejected.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "TURN_IN_PROGRESS");

  ChatStream waiting(*stub, SayShortly(id, "hello"));
  ASSERT_TRUE(waiting.ReadUntil(v1::TurnEvent::kQueued));
  running.Cancel();
  running.End();
  EXPECT_TRUE(waiting.End().ok());
}

}  // namespace
}  // namespace perennial
