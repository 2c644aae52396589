// `perennial chat` as a program: at a pipe and at a terminal. terminal_lines_test.cc has what is about typing.
#include <signal.h>

#include "absl/strings/match.h"
#include "tests/client/command/command_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ChatTest : public CommandTest {
 protected:
  // A chat at a terminal, waiting at its first prompt.
  std::unique_ptr<ChildProcess> Start(std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), "chat");
    auto child = std::make_unique<ChildProcess>(Arguments(flags), ChildProcess::Streams::kTerminal);
    EXPECT_TRUE(child->WaitFor("> "));
    return child;
  }

  // Turns that begin and do not end by themselves.
  void MakeTurnsHang() {
    service().SetOnChat([](const v1::ChatRequest&) {
      return FakeTurn{.events = {StartedEvent(20), DeltaEvent("thinking")}, .end = std::nullopt};
    });
  }
};

TEST_F(ChatTest, AtAPipePrintsOnlyReplies) {
  const ChildResult result = Run({"chat"}, "one\ntwo\n\nthree");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "echo: one\necho: two\necho: three\n");
  EXPECT_EQ(result.err, "");
  ASSERT_THAT(service().chats(), SizeIs(3));
  EXPECT_EQ(service().chats()[0].session_id(), service().chats()[2].session_id());
}

TEST_F(ChatTest, AtAPipeALineMayGoOn) { EXPECT_EQ(Run({"chat"}, "one\\\ntwo\n").out, "echo: one\ntwo\n"); }

TEST_F(ChatTest, AtAPipeTheStatusIsOnStandardErrorIfAskedFor) {
  const ChildResult result = Run({"chat", "--status"}, "one\n");
  EXPECT_EQ(result.out, "echo: one\n");
  EXPECT_EQ(result.err, "11 tokens, 5.0/s · first after 750.0 ms · seen 31 · cached 30 · forgotten 0\n");
}

TEST_F(ChatTest, AtAPipeTheFirstErrorEndsIt) {
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {},
                    .end = PerennialError(grpc::StatusCode::RESOURCE_EXHAUSTED, "QUEUE_FULL", "too many turns")};
  });
  const ChildResult result = Run({"chat"}, "one\ntwo\n");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "perennial: too many turns [QUEUE_FULL]\n");
  EXPECT_THAT(service().chats(), SizeIs(1));
}

TEST_F(ChatTest, DeletesItsSessionWhenLeaving) {
  Run({"chat"}, "one\n");
  EXPECT_THAT(service().sessions(), IsEmpty());
}

TEST_F(ChatTest, KeepLeavesTheSessionAndPrintsItsId) {
  const ChildResult result = Run({"chat", "--keep"}, "one\n");
  ASSERT_THAT(service().sessions(), SizeIs(1));
  EXPECT_EQ(result.err, "session: " + service().sessions()[0].session_id() + "\n");
}

TEST_F(ChatTest, GoesOnWithASessionAndDoesNotDeleteIt) {
  Run({"chat", "--keep"}, "one\n");
  const std::string id = service().sessions()[0].session_id();
  EXPECT_EQ(Run({"chat", "--session=" + id}, "two\n").out, "echo: two\n");
  EXPECT_EQ(service().chats()[1].session_id(), id);
  EXPECT_THAT(service().sessions(), SizeIs(1));
}

TEST_F(ChatTest, UnknownSessionIsExitCodeFour) { EXPECT_EQ(Run({"chat", "--session=beef"}, "one\n").exit_code, 4); }

TEST_F(ChatTest, TerminationEndsItAndItsSession) {
  ChildProcess child(Arguments({"chat"}), ChildProcess::Streams::kPipes);
  child.Write("one\n");
  ASSERT_TRUE(child.WaitFor("echo: one"));
  child.Signal(SIGTERM);
  child.Wait();
  EXPECT_THAT(service().sessions(), IsEmpty());
}

TEST_F(ChatTest, AtATerminalShowsReplyAndStatus) {
  const auto child = Start();
  EXPECT_THAT(child->out(),
              HasSubstr("fake-model on fake cpu float32, 1 thread · reads 512 tokens at a time (4 sinks)"));
  child->Write("Hello\r");
  EXPECT_TRUE(child->WaitFor("echo: Hello\r\n"));
  EXPECT_TRUE(child->WaitFor("11 tokens, 5.0/s"));
  EXPECT_TRUE(child->WaitFor("> "));
  child->Write("/quit\r");
  EXPECT_EQ(child->Wait().exit_code, 0);
  EXPECT_THAT(service().sessions(), IsEmpty());
}

TEST_F(ChatTest, AReaderThatLeavesEndsTurnSessionAndProgram) {
  MakeTurnsHang();
  ChildProcess child(Arguments({"chat"}), ChildProcess::Streams::kPipes);
  child.CloseOutput();
  child.Write("one\ntwo\n");
  const ChildResult result = child.Wait();
  EXPECT_EQ(result.exit_code, 141);
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(service().WaitForCancelledTurns(1));
  EXPECT_EQ(service().generated_turns(), 1);
  EXPECT_THAT(service().sessions(), IsEmpty());
}

TEST_F(ChatTest, CtrlCStopsTheReplyAndNotTheProgram) {
  const auto child = Start();
  MakeTurnsHang();
  child->Write("Hello\r");
  ASSERT_TRUE(child->WaitFor("thinking"));
  child->Write("\x03");
  EXPECT_TRUE(child->WaitFor("stopped"));
  EXPECT_TRUE(service().WaitForCancelledTurns(1));
  ASSERT_TRUE(child->WaitFor("> "));
  service().SetOnChat(nullptr);
  child->Write("again\r");
  EXPECT_TRUE(child->WaitFor("echo: again"));
  ASSERT_TRUE(child->WaitFor("> "));
  child->Write("/quit\r");
  EXPECT_EQ(child->Wait().exit_code, 0);
}

TEST_F(ChatTest, TellsOnceThatTokensAreForgotten) {
  const auto child = Start();
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {StartedEvent(20), DeltaEvent("Yes."), EvictedEvent(1, 3), ForgetfulFinishedEvent()}};
  });
  child->Write("one\r");
  EXPECT_TRUE(child->WaitFor("Note: the cache is full: the model can no longer read all of turns 1–3."));
  ASSERT_TRUE(child->WaitFor("> "));
  const size_t before = child->out().size();
  child->Write("two\r");
  ASSERT_TRUE(child->WaitFor("forgotten 4,608"));
  EXPECT_THAT(child->out().substr(before), Not(HasSubstr("the cache is full")));
}

TEST_F(ChatTest, SystemPromptsBeginNewSessions) {
  const auto child = Start({"--system=Be brief."});
  child->Write("/system\r");
  ASSERT_TRUE(child->WaitFor("System prompt: Be brief."));
  child->Write("/system Be long.\r");
  ASSERT_TRUE(child->WaitFor("A new session with the system prompt given."));
  ASSERT_TRUE(child->WaitFor("> "));
  child->Write("/system\r");
  ASSERT_TRUE(child->WaitFor("System prompt: Be long."));
  child->Write("/session\r");
  EXPECT_TRUE(child->WaitFor(service().sessions()[0].session_id()));
  EXPECT_THAT(service().sessions(), SizeIs(1)) << "the first one is deleted";
}

TEST_F(ChatTest, HelpAndStatsAndUnknownCommands) {
  const auto child = Start();
  child->Write("/help\r");
  EXPECT_TRUE(child->WaitFor("/system TEXT"));
  child->Write("/stats\r");
  EXPECT_TRUE(child->WaitFor("1,234,567"));
  child->Write("/nonsense\r");
  EXPECT_TRUE(child->WaitFor("unknown command /nonsense; /help lists them"));
  child->Write("//etc\r");
  EXPECT_TRUE(child->WaitFor("echo: /etc"));
}

TEST_F(ChatTest, ControlCharactersOfTheModelDoNotReachTheTerminal) {
  const auto child = Start();
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {StartedEvent(20), DeltaEvent("a\033]0;title\007b"), FinishedEvent()}};
  });
  child->Write("one\r");
  EXPECT_TRUE(
      child->WaitFor("a\xEF\xBF\xBD]0;title\xEF\xBF\xBD"
                     "b"));
}

TEST_F(ChatTest, ShowsWhereATurnWaits) {
  const auto child = Start();
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {QueuedEvent(3), StartedEvent(20), DeltaEvent("Yes."), FinishedEvent()}};
  });
  child->Write("one\r");
  EXPECT_TRUE(child->WaitFor("… waiting for 3 turns\r\033[KYes."));
}

TEST_F(ChatTest, ALostServerIsExplainedAndDoesNotEndTheChat) {
  ChildProcess server({PERENNIAL_FAKE_SERVER}, ChildProcess::Streams::kPipes);
  ASSERT_TRUE(server.WaitFor("\n"));
  const std::string address = server.out().substr(0, server.out().size() - 1);
  ChildProcess child({PERENNIAL_COMMAND, "--server=" + address, "chat", "--patience=300ms"},
                     ChildProcess::Streams::kTerminal);
  ASSERT_TRUE(child.WaitFor("> "));
  child.Write("hang\r");
  ASSERT_TRUE(child.WaitFor("thinking"));
  server.Signal(SIGKILL);
  EXPECT_TRUE(child.WaitFor("the connection was lost; trying to go on"));
  EXPECT_TRUE(child.WaitFor("no server at " + address));
  EXPECT_TRUE(child.WaitFor("/new starts a new session"));
  ASSERT_TRUE(child.WaitFor("> "));
  child.Write("Hello\r");
  EXPECT_TRUE(child.WaitFor("no server at " + address));
  ASSERT_TRUE(child.WaitFor("> "));
  child.Write("/quit\r");
  EXPECT_EQ(child.Wait().exit_code, 0);
}

TEST_F(ChatTest, WithoutServerIsExitCodeThree) {
  const ChildResult result = RunChild({PERENNIAL_COMMAND, "--server=127.0.0.1:1", "chat"}, "Hello\n");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.err, "perennial: no server at 127.0.0.1:1; start one with ./dev serve\n");
}

}  // namespace
}  // namespace perennial
