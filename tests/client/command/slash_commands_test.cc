// The commands inside a chat. At a pipe a line is a command, too, and its answer is on standard output.
#include "client/command/slash_commands.h"

#include "absl/strings/str_join.h"
#include "tests/client/command/command_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class SlashCommandsTest : public CommandTest {
 protected:
  ChildResult Chat(const std::vector<std::string>& lines, std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), "chat");
    return Run(flags, absl::StrJoin(lines, "\n") + "\n");
  }

  // Replies that leave a session that has forgotten turns 1 to 11.
  void MakeItForget() {
    service().SetOnChat([](const v1::ChatRequest&) {
      return FakeTurn{.events = {StartedEvent(20), DeltaEvent("Yes."), ForgetfulFinishedEvent()}};
    });
  }
};

TEST_F(SlashCommandsTest, HelpNamesEveryCommand) {
  const std::string help = Chat({"/help"}).out;
  EXPECT_EQ(help, SlashCommands::Help());
  for (const char* name : {"/new", "/system", "/session", "/sessions", "/horizon", "/note", "/pin", "/fork", "/rewind",
                           "/attach", "/cancel", "/transcript", "/stats", "/help", "/quit"}) {
    EXPECT_THAT(help, HasSubstr(std::string("  ") + name + " "));
  }
}

TEST_F(SlashCommandsTest, MistakesAreExitCodeTwo) {
  for (const char* line :
       {"/nonsense", "/rewind two", "/pin x", "/attach x", "/fork now", "/rewind", "/pin", "/attach"}) {
    const ChildResult result = Chat({line});
    EXPECT_EQ(result.exit_code, 2) << line;
    EXPECT_THAT(result.err, HasSubstr("perennial: ")) << line;
  }
}

TEST_F(SlashCommandsTest, HorizonSaysWhatIsRemembered) {
  EXPECT_THAT(Chat({"/horizon"}).out, HasSubstr("remembers  nothing was said yet\n"));
  EXPECT_THAT(Chat({"one", "/horizon"}).out, HasSubstr("remembers  everything\n"));
  MakeItForget();
  EXPECT_THAT(Chat({"one", "/horizon"}).out, HasSubstr("from turn 12 on (token 4,612 of 5,120)"));
}

TEST_F(SlashCommandsTest, NotesAreShownSetAndEmptied) {
  const ChildResult result =
      Chat({"/note", "/note My name is Ada.", "one", "/pin", "/note", "/note \"\""}, {"--note_tokens=100", "--keep"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out,
            "  notes  0 of 100 tokens\n  text   none\n"
            "  notes  15 of 100 tokens\n  text   My name is Ada.\n"
            "echo: one\n"
            "  notes         27 of 100 tokens\n  pinned turns  1\n  text          My name is Ada.\n"
            "  notes         27 of 100 tokens\n  pinned turns  1\n  text          My name is Ada.\n"
            "  notes  0 of 100 tokens\n  text   none\n");
}

TEST_F(SlashCommandsTest, NotesThatAreTooLongAreRefusedWithTheNumbers) {
  const ChildResult result = Chat({"/note My name is Ada."}, {"--note_tokens=10"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "perennial: text: 15 tokens are more than the session's note budget, 10 [INVALID_FIELD]\n");
}

TEST_F(SlashCommandsTest, WithoutNotesItSaysHowToGetThem) {
  service().SetMaxNoteTokens(0);
  EXPECT_THAT(Chat({"/note"}).out, HasSubstr("made without notes"));
}

TEST_F(SlashCommandsTest, ForkSaysBothIdsAndGoesOnInTheCopy) {
  const ChildResult result = Chat({"one", "/fork", "two"}, {"--keep"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto sessions = service().sessions();
  ASSERT_THAT(sessions, SizeIs(2));
  EXPECT_EQ(sessions[0].turns(), 1);
  EXPECT_EQ(sessions[1].turns(), 2);
  EXPECT_THAT(result.out, HasSubstr("This is now a copy:  " + sessions[1].session_id() + "\n"));
  EXPECT_THAT(result.out, HasSubstr("The original:        " + sessions[0].session_id()));
}

TEST_F(SlashCommandsTest, WithoutKeepForksAreDeletedToo) {
  Chat({"one", "/fork", "two"});
  EXPECT_THAT(service().sessions(), IsEmpty());
}

TEST_F(SlashCommandsTest, SessionGoesBackToTheOriginal) {
  Chat({"one"}, {"--keep"});
  const std::string original = service().sessions()[0].session_id();
  const ChildResult result =
      Chat({"/fork", "two", "/session " + original, "three", "/session"}, {"--session=" + original});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(service().chats()[1].message(), "two");
  EXPECT_NE(service().chats()[1].session_id(), original);
  EXPECT_EQ(service().chats()[2].session_id(), original);
  EXPECT_THAT(result.out, HasSubstr("session    " + original));
}

TEST_F(SlashCommandsTest, RewindTakesTurnsBack) {
  const ChildResult result = Chat({"one", "two", "three", "/rewind", "/rewind -1", "four", "/rewind 0"}, {"--keep"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out,
              HasSubstr("echo: three\nBack at the end of turn 2; what came later is unsaid. The window holds"));
  EXPECT_THAT(result.out, HasSubstr("Back at the end of turn 1;"));
  EXPECT_THAT(result.out, HasSubstr("echo: four\nBack at the opening;"));
  EXPECT_EQ(service().sessions()[0].turns(), 0);
  EXPECT_EQ(service().sessions()[0].last_turn(), 4);
}

TEST_F(SlashCommandsTest, ARewindBeyondTheHorizonSaysWhy) {
  MakeItForget();
  const ChildResult result = Chat({"one", "/rewind 0"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("what has left the window cannot be brought back [BEYOND_HORIZON]"));
}

TEST_F(SlashCommandsTest, AttachShowsATurnAgainWithoutGeneratingIt) {
  const ChildResult result = Chat({"one", "two", "/attach", "/attach 1"});
  EXPECT_EQ(result.out, "echo: one\necho: two\necho: two\necho: one\n");
  EXPECT_EQ(service().generated_turns(), 2);
}

TEST_F(SlashCommandsTest, CancelWithoutATurn) { EXPECT_EQ(Chat({"/cancel"}).out, "No turn runs.\n"); }

TEST_F(SlashCommandsTest, TranscriptsIfTheServerKeepsThem) {
  EXPECT_THAT(Chat({"/transcript"}).err, HasSubstr("[NOT_SUPPORTED]"));
  service().KeepTranscripts();
  EXPECT_THAT(Chat({"/transcript"}).out, HasSubstr("has kept no texts"));
  EXPECT_THAT(Chat({"one", "/transcript"}).out, HasSubstr("── turn 1 ──\nyou: one\nreply: echo: one\n"));
}

TEST_F(SlashCommandsTest, SessionsAndStatsAreTables) {
  const std::string out = Chat({"/sessions", "/stats"}).out;
  EXPECT_THAT(out, HasSubstr("SESSION"));
  EXPECT_THAT(out, HasSubstr("1,234,567"));
}

TEST_F(SlashCommandsTest, QuitLeavesTheRestUnread) {
  EXPECT_EQ(Chat({"one", "/quit", "two"}).out, "echo: one\n");
  EXPECT_EQ(service().generated_turns(), 1);
}

}  // namespace
}  // namespace perennial
