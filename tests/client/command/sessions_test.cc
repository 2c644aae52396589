#include "nlohmann/json.hpp"
#include "tests/client/command/command_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Json = nlohmann::json;

class SessionsTest : public CommandTest {
 protected:
  // Makes a session and returns its id.
  std::string Create(const std::vector<std::string>& flags = {}) {
    std::vector<std::string> arguments = {"sessions", "create"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const ChildResult result = Run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.out.back(), '\n');
    return result.out.substr(0, result.out.size() - 1);
  }
};

TEST_F(SessionsTest, ListsAllOfThem) {
  EXPECT_EQ(Run({"sessions"}).err, "no sessions\n");
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(Create());
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"sessions"}, {"sessions", "list"}}) {
    const ChildResult result = Run(arguments);
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, HasSubstr("SESSION"));
    for (const std::string& id : ids) EXPECT_THAT(result.out, HasSubstr(id + "  idle"));
  }
  EXPECT_THAT(Json::parse(Run({"sessions", "--json"}).out)["sessions"], SizeIs(3));
  EXPECT_THAT(Json::parse(Run({"sessions", "--json", "--state=running"}).out)["sessions"], SizeIs(0));
}

TEST_F(SessionsTest, CreatesWithWhatWasGiven) {
  const std::string id = Create({"--label=owner=Ada", "--idle_timeout=90m"});
  ASSERT_THAT(service().sessions(), SizeIs(1));
  EXPECT_EQ(service().sessions()[0].session_id(), id);
  EXPECT_EQ(service().sessions()[0].labels().at("owner"), "Ada");
  EXPECT_EQ(service().sessions()[0].idle_timeout().seconds(), 5400);
  EXPECT_EQ(Json::parse(Run({"sessions", "create", "--json"}).out)["state"], "idle");
}

TEST_F(SessionsTest, ShowsOne) {
  const std::string id = Create({"--label=owner=Ada"});
  const ChildResult result = Run({"sessions", "show", id});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr(id));
  EXPECT_THAT(result.out, HasSubstr("owner=Ada"));
  EXPECT_EQ(Json::parse(Run({"sessions", "show", id, "--json"}).out)["labels"]["owner"], "Ada");
}

TEST_F(SessionsTest, ForksIntoASessionOfItsOwn) {
  const std::string id = Create();
  Run({"ask", "--session=" + id, "Hello"});
  const ChildResult result = Run({"sessions", "fork", id});
  EXPECT_EQ(result.exit_code, 0);
  ASSERT_THAT(service().sessions(), SizeIs(2));
  EXPECT_EQ(result.out, service().sessions()[1].session_id() + "\n");
  EXPECT_EQ(service().sessions()[1].turns(), 1);
  EXPECT_EQ(Json::parse(Run({"sessions", "fork", id, "--json"}).out)["turns"], 1);
}

TEST_F(SessionsTest, RewindsToATurn) {
  const std::string id = Create();
  for (const char* text : {"one", "two"}) Run({"ask", "--session=" + id, text});
  const ChildResult result = Run({"sessions", "rewind", id, "1"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("The window holds"));
  EXPECT_EQ(Json::parse(Run({"sessions", "rewind", id, "0", "--json"}).out)["turns"], 0);
  EXPECT_EQ(Run({"sessions", "rewind", id, "3"}).exit_code, 1);
}

TEST_F(SessionsTest, NotesAreShownSetPinnedAndEmptied) {
  const std::string id = Create({"--note_tokens=100"});
  EXPECT_EQ(Run({"sessions", "note", id}).out, "  notes  0 of 100 tokens\n  text   none\n");
  EXPECT_EQ(Json::parse(Run({"sessions", "note", id, "Ada,", "36", "--json"}).out)["text"], "Ada, 36");
  EXPECT_THAT(Run({"sessions", "note", id, "-"}, "from a pipe\n").out, HasSubstr("text   from a pipe\n"));
  Run({"ask", "--session=" + id, "one"});
  EXPECT_THAT(Run({"sessions", "pin", id, "1"}).out, HasSubstr("pinned turns  1\n"));
  EXPECT_EQ(Json::parse(Run({"sessions", "note", id, "", "--json"}).out),
            Json::parse(R"({"text": "", "pinned_turns": [], "tokens": 0, "budget_tokens": 100})"));
}

TEST_F(SessionsTest, TranscriptsAreTexts) {
  const std::string id = Create();
  EXPECT_EQ(Run({"sessions", "transcript", id}).exit_code, 1);
  service().KeepTranscripts();
  Run({"ask", "--session=" + id, "one"});
  EXPECT_EQ(Run({"sessions", "transcript", id}).out, "── turn 1 ──\nyou: one\nreply: echo: one\n");
  EXPECT_THAT(Json::parse(Run({"sessions", "transcript", id, "--json"}).out)["turns"], SizeIs(1));
}

TEST_F(SessionsTest, DeletesThoseThatExist) {
  const std::string first = Create(), second = Create();
  const ChildResult result = Run({"sessions", "delete", first, "beef", second});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_EQ(result.err, "deleted " + first + "\nperennial: session 'beef' is unknown [SESSION_NOT_FOUND]\ndeleted " +
                            second + "\n");
  EXPECT_THAT(service().sessions(), IsEmpty());
}

TEST_F(SessionsTest, UnknownSessionIsExitCodeFour) {
  EXPECT_EQ(Run({"sessions", "show", "beef"}).exit_code, 4);
  const ChildResult result = Run({"sessions", "show", "beef", "--json"});
  EXPECT_EQ(Json::parse(result.out)["error"]["reason"], "SESSION_NOT_FOUND");
}

TEST_F(SessionsTest, WrongUsageIsExitCodeTwo) {
  const std::vector<std::vector<std::string>> calls = {{"forget"},
                                                       {"show"},
                                                       {"delete"},
                                                       {"show", "a", "b"},
                                                       {"fork"},
                                                       {"fork", "a", "b"},
                                                       {"rewind", "a"},
                                                       {"rewind", "a", "x"},
                                                       {"pin", "a"},
                                                       {"note"},
                                                       {"note", "a", "\xff"},
                                                       {"list", "a"},
                                                       {"create", "a"},
                                                       {"--state=busy"},
                                                       {"show", "a", "--state=idle"},
                                                       {"show", "a", "--system=x"},
                                                       {"create", "--label=x"}};
  for (std::vector<std::string> arguments : calls) {
    arguments.insert(arguments.begin(), "sessions");
    EXPECT_EQ(Run(arguments).exit_code, 2) << testing::PrintToString(arguments);
  }
  EXPECT_THAT(service().routes(), IsEmpty()) << "nothing was called";
}

}  // namespace
}  // namespace perennial
