// Typing at `perennial chat` on a pseudo-terminal.
#include <sys/stat.h>

#include <fstream>

#include "tests/client/command/command_fixture.h"

namespace perennial {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class TerminalLinesTest : public CommandTest {
 protected:
  std::unique_ptr<ChildProcess> Start(std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), "chat");
    auto child = std::make_unique<ChildProcess>(Arguments(flags), ChildProcess::Streams::kTerminal,
                                                std::map<std::string, std::string>{{"XDG_STATE_HOME", state_folder_}});
    EXPECT_TRUE(child->WaitFor("> "));
    return child;
  }

  // Types a line, waits for the reply and the next prompt, and returns the message that the server received.
  std::string Send(ChildProcess& child, absl::string_view typed) {
    const size_t before = service().chats().size();
    child.Write(absl::StrCat(typed, "\r"));
    EXPECT_TRUE(child.WaitFor("11 tokens, 5.0/s"));
    EXPECT_TRUE(child.WaitFor("> "));
    return service().chats().size() == before + 1 ? service().chats().back().message() : "(no turn)";
  }

  std::string HistoryPath() const { return absl::StrCat(state_folder_, "/perennial/chat_history"); }

  const std::string state_folder_ = NewTestFolder();
};

TEST_F(TerminalLinesTest, EditsLinesOfAnyScript) {
  const auto child = Start();
  EXPECT_EQ(Send(*child, "Grüße, 世界 🙂"), "Grüße, 世界 🙂");
  EXPECT_EQ(Send(*child,
                 "worlx\x7f"
                 "d\x01hello "),
            "hello world");  // backspace, then Ctrl-A and in front
  EXPECT_EQ(Send(*child,
                 "ü\x7f"
                 "u"),
            "u");
}

TEST_F(TerminalLinesTest, ArrowUpBringsBackTheLastMessage) {
  const auto child = Start();
  Send(*child, "first");
  Send(*child, "second");
  EXPECT_EQ(Send(*child, "\033[A\033[A!"), "first!");
}

TEST_F(TerminalLinesTest, RemembersForTheNextChatInAPrivateFile) {
  {
    const auto child = Start();
    Send(*child, "Grüße\\\rback\\slash");
    child->Write("/quit\r");
    child->Wait();
  }
  struct stat attributes {};
  ASSERT_EQ(stat(HistoryPath().c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode & 0777, 0600U);
  const auto child = Start();
  EXPECT_EQ(Send(*child, "\033[A\033[A"), "Grüße\nback\\slash");  // the newest is /quit
}

TEST_F(TerminalLinesTest, HistoryCanBeSwitchedOff) {
  const auto child = Start({"--nohistory"});
  Send(*child, "secret");
  struct stat attributes {};
  EXPECT_NE(stat(HistoryPath().c_str(), &attributes), 0);
}

TEST_F(TerminalLinesTest, MessagesOfSeveralLines) {
  const auto child = Start();
  EXPECT_EQ(Send(*child, "one\\\rtwo"), "one\ntwo");                          // a backslash
  EXPECT_EQ(Send(*child, "one\033\rtwo"), "one\ntwo");                        // Alt-Enter
  EXPECT_EQ(Send(*child, "\033[200~one\rtwo\rü\033[201~."), "one\ntwo\nü.");  // pasted
}

TEST_F(TerminalLinesTest, CtrlCGivesALineUpAndTwiceAtAnEmptyPromptLeaves) {
  const auto child = Start();
  child->Write("not this");
  ASSERT_TRUE(child->WaitFor("not this"));
  child->Write("\x03");
  ASSERT_TRUE(child->WaitFor("> "));
  EXPECT_EQ(Send(*child, "but this"), "but this");
  child->Write("\x03");
  ASSERT_TRUE(child->WaitFor("Ctrl-C again leaves"));
  ASSERT_TRUE(child->WaitFor("> "));
  child->Write("\x03");
  EXPECT_EQ(child->Wait().exit_code, 0);
  EXPECT_THAT(service().chats(), SizeIs(1));
  EXPECT_THAT(service().sessions(), IsEmpty());
}

TEST_F(TerminalLinesTest, CtrlDAtAnEmptyPromptLeaves) {
  const auto child = Start();
  child->Write("\x04");
  EXPECT_EQ(child->Wait().exit_code, 0);
}

TEST_F(TerminalLinesTest, ClosingTheTerminalEndsTheSession) {
  const auto child = Start();
  child->CloseInput();
  child->Signal(1);  // SIGHUP, as the system sends when a window closes
  child->Wait();
  EXPECT_THAT(service().sessions(), IsEmpty());
}

}  // namespace
}  // namespace perennial
