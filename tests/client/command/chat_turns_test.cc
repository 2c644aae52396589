// Turns in the real command: cut connections, other clients, marks where memory ends.
#include "client/command/chat_turns.h"

#include <signal.h>

#include "tests/client/command/command_fixture.h"
#include "tests/client/tcp_relay.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class ChatTurnsTest : public CommandTest {
 protected:
  std::unique_ptr<ChildProcess> Start(std::vector<std::string> flags = {},
                                      const std::map<std::string, std::string>& environment = {{"NO_COLOR", "1"}}) {
    flags.insert(flags.begin(), "chat");
    auto child = std::make_unique<ChildProcess>(Arguments(flags), ChildProcess::Streams::kTerminal, environment);
    EXPECT_TRUE(child->WaitFor("> "));
    return child;
  }
};

TEST_F(ChatTurnsTest, TurnsGoOnAloneAndGuardAgainstOtherClients) {
  Run({"chat"}, "one\ntwo\n");
  const auto chats = service().chats();
  ASSERT_THAT(chats, SizeIs(2));
  EXPECT_EQ(chats[0].on_disconnect(), v1::ON_DISCONNECT_CONTINUE);
  EXPECT_NE(chats[0].request_id(), "");
  EXPECT_EQ(chats[0].expected_turn(), 0);
  EXPECT_EQ(chats[1].expected_turn(), 1);
}

TEST_F(ChatTurnsTest, ALostConnectionIsToldBelowTheReplyWhichGoesOn) {
  service().SetFaults(CutsAfter({2}));
  const auto child = Start();
  child->Write("Hello\r");
  ASSERT_TRUE(child->WaitFor("connected again"));
  EXPECT_THAT(child->out(),
              HasSubstr("echo: \033D\033[A\0337\r\r\n── the connection was lost; trying to go on … ──\0338"
                        "\033[JHello\r\n"));
  EXPECT_EQ(service().generated_turns(), 1);
}

TEST_F(ChatTurnsTest, OnATerminalThatCannotEraseItIsALine) {
  service().SetFaults(CutsAfter({2}));
  const auto child = Start({}, {{"TERM", "dumb"}});
  child->Write("Hello\r");
  ASSERT_TRUE(child->WaitFor("connected again"));
  EXPECT_THAT(child->out(), HasSubstr("echo: \r\nperennial: the connection was lost; trying to go on …\r\nHello\r\n"));
}

TEST_F(ChatTurnsTest, AtAPipeTheReplyIsWhole) {
  TcpRelay relay(address());
  service().SetFaults({.after_event = [&relay, done = std::make_shared<std::atomic<bool>>(false)](
                                          int64_t written) -> std::optional<grpc::Status> {
                         if (written == 2 && !done->exchange(true)) relay.Cut();
                         return std::nullopt;
                       },
                       .merge_deltas = false});
  const ChildResult result = RunChild({PERENNIAL_COMMAND, "--server=" + relay.address(), "chat"}, "Hello\n");
  EXPECT_EQ(result.out, "echo: Hello\n");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(service().generated_turns(), 1);
}

TEST_F(ChatTurnsTest, CtrlCClosesTheReplyProperly) {
  const auto child = Start();
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {StartedEvent(20), DeltaEvent("thinking")}, .end = std::nullopt};
  });
  child->Write("Hello\r");
  ASSERT_TRUE(child->WaitFor("thinking"));
  child->Write("\x03");
  EXPECT_TRUE(child->WaitFor("· stopped · seen 31")) << "its figures come";
  EXPECT_TRUE(service().WaitForCancelCalls(1));
}

TEST_F(ChatTurnsTest, AtAPipeCtrlCIsExitCode130) {
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {StartedEvent(20), DeltaEvent("thinking")}, .end = std::nullopt};
  });
  ChildProcess child(Arguments({"chat"}), ChildProcess::Streams::kPipes);
  child.Write("Hello\n");
  ASSERT_TRUE(child.WaitFor("thinking"));
  child.Signal(SIGINT);
  EXPECT_EQ(child.Wait().exit_code, 130);
  EXPECT_TRUE(service().WaitForCancelledTurns(1));
}

TEST_F(ChatTurnsTest, MarksWhereMemoryBegins) {
  const auto child = Start();
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {StartedEvent(20), WillEvictEvent(60, 1, 2), DeltaEvent("One\nTw"), EvictedEvent(1, 2),
                               DeltaEvent("o\nThree"), EvictedEvent(3, 3), ForgetfulFinishedEvent()}};
  });
  child->Write("count\r");
  ASSERT_TRUE(child->WaitFor("forgotten 4,608"));
  EXPECT_THAT(child->out(),
              HasSubstr("── 60 more tokens, and turns 1–2 are forgotten; /note keeps what must stay ──\r\n"
                        "One\r\nTwo\r\n── memory now begins at turn 3 ──\r\n"
                        "Three\r\n── memory now begins at turn 4 ──\r\n"));
}

TEST_F(ChatTurnsTest, AnotherClientsTurnIsNoticed) {
  const auto child = Start();
  ASSERT_THAT(service().sessions(), SizeIs(1));
  Run({"ask", "--session=" + service().sessions()[0].session_id(), "from elsewhere"});
  child->Write("Hello\r");
  EXPECT_TRUE(child->WaitFor("[STALE_TURN]"));
  EXPECT_TRUE(child->WaitFor("Its last turn is now turn 1: /attach shows it."));
  ASSERT_TRUE(child->WaitFor("> "));
  child->Write("/attach\r");
  EXPECT_TRUE(child->WaitFor("── turn 1 ──\r\necho: from elsewhere\r\n"));
  ASSERT_TRUE(child->WaitFor("> "));
  child->Write("Hello\r");
  EXPECT_TRUE(child->WaitFor("echo: Hello"));
}

TEST_F(ChatTurnsTest, FollowsARunningTurnAndLeavesIt) {
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {StartedEvent(20), DeltaEvent("thinking")}, .end = std::nullopt};
  });
  const std::string made = Run({"sessions", "create"}).out;
  const std::string id = made.substr(0, made.size() - 1);
  ChildProcess other(Arguments({"ask", "--session=" + id, "Hello"}), ChildProcess::Streams::kPipes);
  ASSERT_TRUE(other.WaitFor("thinking"));

  const auto child = Start({"--session=" + id});
  EXPECT_THAT(child->out(), HasSubstr("A turn of it runs: /attach follows it, /cancel ends it."));
  child->Write("/attach\r");
  ASSERT_TRUE(child->WaitFor("── turn 1, which still runs (Ctrl-C leaves it) ──"));
  ASSERT_TRUE(child->WaitFor("thinking"));
  service().AppendEvent(id, DeltaEvent(" more"));
  ASSERT_TRUE(child->WaitFor(" more"));
  child->Write("\x03");
  ASSERT_TRUE(child->WaitFor("Left; turn 1 goes on."));
  EXPECT_EQ(service().cancelled_turns(), 0);
  ASSERT_TRUE(child->WaitFor("> "));
  child->Write("/cancel\r");
  EXPECT_TRUE(child->WaitFor("1 turn ends."));
  EXPECT_EQ(other.Wait().out, "thinking more\n");
}

}  // namespace
}  // namespace perennial
