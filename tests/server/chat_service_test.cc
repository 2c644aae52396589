#include "server/chat_service.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "server/engine/error.h"
#include "tests/server/fake_engine.h"
#include "tests/server/served_engine.h"
#include "tests/server/text_checkpoint.h"

namespace perennial {
namespace {

SessionSummary SessionCalled(const std::string& id) {
  SessionSummary session;
  session.id = id;
  return session;
}

class ChatServiceTest : public ::testing::Test {
 protected:
  ChatServiceTest() : served_(&engine_) {}

  // Calls one unary method.
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::ChatService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    return (served_.stub.get()->*method)(&context, request, response);
  }

  FakeEngine engine_;
  ServedEngine served_;
};

using Stub = v1::ChatService::Stub;

TEST_F(ChatServiceTest, CreateSessionRendersTheHistoryAndFillsInDefaults) {
  engine_.session = SessionCalled("abc");
  v1::CreateSessionRequest request;
  v1::Message* message = request.mutable_config()->add_history();
  message->set_role(v1::ROLE_SYSTEM);
  message->set_text("x");
  request.mutable_config()->set_route("r");
  v1::CreateSessionResponse response;
  const grpc::Status status = Call(&Stub::CreateSession, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.session().session_id(), "abc");
  EXPECT_EQ(engine_.created.opening, (std::vector<TokenId>{kByteBos, 'x', kByteEnd}));
  EXPECT_EQ(engine_.created.shape, (CacheShape{.sink_tokens = 4, .note_tokens = 0, .window_tokens = 1020}));
  EXPECT_EQ(engine_.created.idle_timeout, absl::Hours(1));
  EXPECT_EQ(engine_.created.route, "r");
}

TEST_F(ChatServiceTest, CreateSessionIsRecognisedByItsRequestId) {
  v1::CreateSessionRequest request;
  request.set_request_id("r");
  v1::CreateSessionResponse response;
  ASSERT_TRUE(Call(&Stub::CreateSession, request, &response).ok());
  EXPECT_EQ(engine_.created.request.id, "r");
  request.set_request_id("\n");
  EXPECT_EQ(BadRequestOf(Call(&Stub::CreateSession, request, &response))->field_violations(0).field(), "request_id");
}

TEST_F(ChatServiceTest, CancelTurnNamesATurnAndCounts) {
  engine_.cancelled_turns = 2;
  v1::CancelTurnRequest request;
  request.set_session_id("abc");
  request.set_turn(3);
  v1::CancelTurnResponse response;
  ASSERT_TRUE(Call(&Stub::CancelTurn, request, &response).ok());
  EXPECT_EQ(response.cancelled_turns(), 2);
  EXPECT_EQ(engine_.cancelled.session_id, "abc");
  EXPECT_EQ(engine_.cancelled.turn, 3);
  engine_.cancelled_turns = MakeError(ErrorReason::kSessionNotFound, "gone");
  EXPECT_EQ(ReasonOf(Call(&Stub::CancelTurn, request, &response)), "SESSION_NOT_FOUND");
  request.set_request_id(std::string(200, 'x'));
  EXPECT_EQ(BadRequestOf(Call(&Stub::CancelTurn, request, &response))->field_violations(0).field(), "request_id");
}

// With a template that writes the system prompt inside the first user message, it must be in what the engine gets.
TEST(ChatServiceTemplateTest, TheSystemPromptArrivesWhereverTheTemplatePutsIt) {
  const TextCheckpoint checkpoint("");
  for (const char* name : {"chatml", "llama2", "mistral", "plain"}) {
    const auto renderer = TemplatePromptRenderer::Create(checkpoint, name, /*fuel=*/1'000'000);
    ASSERT_TRUE(renderer.ok()) << renderer.status();
    const auto text_of = [&renderer](const std::vector<TokenId>& tokens) {
      std::string text;
      for (const TokenId token : tokens) text += (*renderer)->tokenizer().TokenBytes(token);
      return text;
    };
    FakeEngine engine;
    const ServedEngine served(&engine, SmallOptions(), renderer->get());
    v1::CreateSessionRequest create;
    v1::Message* system = create.mutable_config()->add_history();
    system->set_role(v1::ROLE_SYSTEM);
    system->set_text("Be brief.");
    grpc::ClientContext context;
    v1::CreateSessionResponse created;
    ASSERT_TRUE(served.stub->CreateSession(&context, create, &created).ok());
    EXPECT_TRUE(absl::StrContains(text_of(engine.created.opening), "Be brief.")) << name;

    // The turn of another call, and of a session that one call brings along.
    v1::ChatRequest own = Say("", "hello");
    *own.mutable_config() = create.config();
    for (const v1::ChatRequest& request : {Say("abc", "hello"), own}) {
      ChatStream chat(*served.stub, request);
      const FakeEngine::Submitted turn = engine.AwaitTurn();
      const SessionSpec& session = turn.spec.ephemeral.has_value() ? *turn.spec.ephemeral : engine.created;
      const std::string stream =
          text_of(session.opening) + text_of(FirstTurnTokens(turn.spec.message, session.first_turn));
      if (std::string(name) == "llama2") {
        EXPECT_EQ(stream, "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nhello [/INST]");
      } else if (std::string(name) == "mistral") {
        EXPECT_EQ(stream, "[INST] Be brief.\n\nhello [/INST]");
      } else {
        EXPECT_EQ(session.first_turn, FirstTurn::kUsual) << name;
        EXPECT_TRUE(absl::StrContains(stream, "hello")) << name;
      }
      turn.sink->OnFinish(TurnResult());
      EXPECT_TRUE(chat.End().ok());

      // What a client is told to count is what the session will hold.
      v1::CountTokensRequest count;
      *count.add_messages() = *system;
      v1::Message* user = count.add_messages();
      user->set_role(v1::ROLE_USER);
      user->set_text("hello");
      grpc::ClientContext count_context;
      v1::CountTokensResponse counted;
      ASSERT_TRUE(served.stub->CountTokens(&count_context, count, &counted).ok());
      EXPECT_EQ(counted.tokens(), static_cast<int64_t>(session.opening.size() +
                                                       FirstTurnTokens(turn.spec.message, session.first_turn).size()))
          << name;
    }
  }
}

TEST_F(ChatServiceTest, CreateSessionNamesABadField) {
  v1::CreateSessionRequest request;
  request.mutable_config()->set_cache_tokens(9000);
  v1::CreateSessionResponse response;
  const grpc::Status status = Call(&Stub::CreateSession, request, &response);
  EXPECT_EQ(ReasonOf(status), "INVALID_FIELD");
  EXPECT_EQ(BadRequestOf(status)->field_violations(0).field(), "config.cache_tokens");
}

TEST_F(ChatServiceTest, CreateSessionNamesAHistoryThatCannotBeRendered) {
  v1::CreateSessionRequest request;
  request.mutable_config()->add_history()->set_role(v1::ROLE_USER);
  v1::CreateSessionResponse response;
  EXPECT_EQ(BadRequestOf(Call(&Stub::CreateSession, request, &response))->field_violations(0).field(),
            "config.history");
}

TEST_F(ChatServiceTest, ErrorsOfTheEngineKeepTheirReason) {
  engine_.session = MakeError(ErrorReason::kNoFreeCache, "none free", absl::Seconds(3));
  v1::CreateSessionResponse created;
  grpc::Status status = Call(&Stub::CreateSession, v1::CreateSessionRequest(), &created);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "NO_FREE_CACHE");
  EXPECT_EQ(RetryInfoOf(status)->retry_delay().seconds(), 3);

  engine_.session = MakeError(ErrorReason::kSessionNotFound, "no such session");
  v1::GetSessionResponse got;
  EXPECT_EQ(ReasonOf(Call(&Stub::GetSession, v1::GetSessionRequest(), &got)), "SESSION_NOT_FOUND");
  v1::UpdateSessionResponse updated;
  EXPECT_EQ(ReasonOf(Call(&Stub::UpdateSession, v1::UpdateSessionRequest(), &updated)), "SESSION_NOT_FOUND");
  v1::DeleteSessionResponse deleted;
  EXPECT_EQ(ReasonOf(Call(&Stub::DeleteSession, v1::DeleteSessionRequest(), &deleted)), "SESSION_NOT_FOUND");
}

TEST_F(ChatServiceTest, UpdateTellsUnsetFromEmpty) {
  v1::UpdateSessionRequest request;
  request.set_session_id("abc");
  v1::UpdateSessionResponse response;
  ASSERT_TRUE(Call(&Stub::UpdateSession, request, &response).ok());
  EXPECT_EQ(engine_.named, "abc");
  EXPECT_FALSE(engine_.updated.labels.has_value());
  EXPECT_FALSE(engine_.updated.idle_timeout.has_value());
  request.mutable_labels();
  request.mutable_idle_timeout()->set_seconds(90);
  ASSERT_TRUE(Call(&Stub::UpdateSession, request, &response).ok());
  EXPECT_TRUE(engine_.updated.labels.has_value());
  EXPECT_EQ(engine_.updated.idle_timeout, absl::Seconds(90));
}

TEST_F(ChatServiceTest, ListPassesItsFilterAndThePage) {
  engine_.page.sessions = {SessionCalled("a"), SessionCalled("b")};
  engine_.page.next_page_token = "b";
  v1::ListSessionsRequest request;
  request.set_state(v1::SESSION_STATE_RUNNING);
  request.set_page_token("0");
  v1::ListSessionsResponse response;
  ASSERT_TRUE(Call(&Stub::ListSessions, request, &response).ok());
  EXPECT_EQ(engine_.listed.state, SessionState::kRunning);
  EXPECT_EQ(engine_.listed.page_size, 100);
  EXPECT_EQ(engine_.listed.page_token, "0");
  ASSERT_EQ(response.sessions_size(), 2);
  EXPECT_EQ(response.sessions(1).session_id(), "b");
  EXPECT_EQ(response.next_page_token(), "b");
  request.set_page_size(-1);
  EXPECT_EQ(BadRequestOf(Call(&Stub::ListSessions, request, &response))->field_violations(0).field(), "page_size");
}

TEST_F(ChatServiceTest, CountsTokensOfATextOrOfMessages) {
  v1::CountTokensRequest request;
  v1::CountTokensResponse response;
  EXPECT_EQ(ReasonOf(Call(&Stub::CountTokens, request, &response)), "INVALID_FIELD");
  request.set_text("hello");
  ASSERT_TRUE(Call(&Stub::CountTokens, request, &response).ok());
  EXPECT_EQ(response.tokens(), 5);
  v1::Message* message = request.add_messages();
  message->set_role(v1::ROLE_USER);
  message->set_text("hi");
  EXPECT_EQ(ReasonOf(Call(&Stub::CountTokens, request, &response)), "INVALID_FIELD");
  request.clear_text();
  ASSERT_TRUE(Call(&Stub::CountTokens, request, &response).ok());
  EXPECT_EQ(response.tokens(), 6);  // BOS; USER h i END ASSISTANT
  request.set_text(std::string((1 << 20) + 1, 'x'));
  request.clear_messages();
  const grpc::Status status = Call(&Stub::CountTokens, request, &response);
  EXPECT_EQ(BadRequestOf(status)->field_violations(0).field(), "text");
}

TEST_F(ChatServiceTest, GetStatsAnswersWithTheEnginesStats) {
  engine_.stats.running_turns = 3;
  engine_.stats.uptime = absl::Milliseconds(1500);
  const v1::Stats stats = GetStats(*served_.stub);
  EXPECT_EQ(stats.running_turns(), 3);
  EXPECT_EQ(stats.uptime().nanos(), 500'000'000);
}

TEST_F(ChatServiceTest, GetModelSaysWhatIsServed) {
  v1::GetModelResponse response;
  ASSERT_TRUE(Call(&Stub::GetModel, v1::GetModelRequest(), &response).ok());
  EXPECT_EQ(response.model(), "small");
  EXPECT_EQ(response.api_revision(), kApiRevision);
}

TEST_F(ChatServiceTest, ForkSessionTakesItsOwnLabels) {
  engine_.session = SessionCalled("fork");
  engine_.session->parked = true;
  v1::ForkSessionRequest request;
  request.set_session_id("abc");
  v1::ForkSessionResponse response;
  ASSERT_TRUE(Call(&Stub::ForkSession, request, &response).ok());
  EXPECT_EQ(response.session().session_id(), "fork");
  EXPECT_TRUE(response.session().parked());
  EXPECT_EQ(engine_.forked.session_id, "abc");
  EXPECT_EQ(engine_.forked.labels, std::nullopt);
  (*request.mutable_labels()->mutable_labels())["k"] = "v";
  ASSERT_TRUE(Call(&Stub::ForkSession, request, &response).ok());
  EXPECT_EQ(engine_.forked.labels, (Labels{{"k", "v"}}));
  (*request.mutable_labels()->mutable_labels())[""] = "no key";
  EXPECT_EQ(Call(&Stub::ForkSession, request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ChatServiceTest, RewindSessionSaysWhereTo) {
  engine_.session = SessionCalled("abc");
  v1::RewindSessionRequest request;
  request.set_session_id("abc");
  request.set_to_turn(4);
  v1::RewindSessionResponse response;
  ASSERT_TRUE(Call(&Stub::RewindSession, request, &response).ok());
  EXPECT_EQ(response.session().session_id(), "abc");
  EXPECT_EQ(engine_.rewound.session_id, "abc");
  EXPECT_EQ(engine_.rewound.to_turn, 4);
  EXPECT_EQ(engine_.rewound.expected_turn, std::nullopt);
  request.set_expected_turn(7);
  ASSERT_TRUE(Call(&Stub::RewindSession, request, &response).ok());
  EXPECT_EQ(engine_.rewound.expected_turn, 7);
  request.set_to_turn(-1);
  EXPECT_EQ(Call(&Stub::RewindSession, request, &response).error_message(), "to_turn: -1 must be at least 0");
  engine_.session = MakeError(ErrorReason::kBeyondHorizon, "gone");
  request.set_to_turn(1);
  EXPECT_EQ(Call(&Stub::RewindSession, request, &response).error_code(), grpc::StatusCode::OUT_OF_RANGE);
}

TEST_F(ChatServiceTest, GetTranscriptTellsWhoSaidWhat) {
  engine_.transcript = {
      {.turn = 3, .messages = {{Role::kUser, "q"}, {Role::kAssistant, "a"}}, .truncated = true, .forgotten = true}};
  v1::GetTranscriptRequest request;
  request.set_session_id("abc");
  v1::GetTranscriptResponse response;
  ASSERT_TRUE(Call(&Stub::GetTranscript, request, &response).ok());
  EXPECT_EQ(engine_.named, "abc");
  ASSERT_EQ(response.turns_size(), 1);
  const v1::TranscriptTurn& turn = response.turns(0);
  EXPECT_EQ(turn.turn(), 3);
  EXPECT_TRUE(turn.truncated() && turn.forgotten());
  ASSERT_EQ(turn.messages_size(), 2);
  EXPECT_EQ(turn.messages(0).role(), v1::ROLE_USER);
  EXPECT_EQ(turn.messages(1).role(), v1::ROLE_ASSISTANT);
  EXPECT_EQ(turn.messages(1).text(), "a");
}

}  // namespace
}  // namespace perennial
