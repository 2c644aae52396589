// What holds for all subcommands, by the real program.
#include "client/command/subcommand.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "tests/client/command/command_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

using SubcommandTest = CommandTest;

TEST_F(SubcommandTest, HelpIsOnStandardOutputAndExitCodeZero) {
  for (const char* word : {"--help", "-h", "help"}) {
    const ChildResult result = RunChild({PERENNIAL_COMMAND, word});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.err, "");
    EXPECT_THAT(result.out, HasSubstr("Exit codes:"));
    for (const Subcommand& subcommand : Subcommands())
      EXPECT_THAT(result.out, HasSubstr(std::string(subcommand.summary)));
  }
}

TEST_F(SubcommandTest, EverySubcommandTeachesByExample) {
  for (const Subcommand& subcommand : Subcommands()) {
    const std::string name(subcommand.name);
    const ChildResult result = RunChild({PERENNIAL_COMMAND, name, "--help"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, StartsWith("perennial " + name + ": "));
    EXPECT_THAT(result.out, HasSubstr("Usage: perennial " + name));
    EXPECT_THAT(result.out, HasSubstr("Examples:\n  perennial " + name));
    EXPECT_THAT(result.out, HasSubstr("--server=HOST:PORT"));
  }
}

TEST_F(SubcommandTest, WrongUsageIsExitCodeTwo) {
  EXPECT_EQ(RunChild({PERENNIAL_COMMAND}).exit_code, 2);
  EXPECT_EQ(RunChild({PERENNIAL_COMMAND, "shout"}).err,
            "perennial: unknown subcommand 'shout'; perennial --help lists them; --help explains\n");
  EXPECT_EQ(RunChild({PERENNIAL_COMMAND, "--sever=x:1", "stats"}).exit_code, 2);
  EXPECT_EQ(RunChild({PERENNIAL_COMMAND, "--server=nowhere", "stats"}).exit_code, 2);
  EXPECT_EQ(RunChild({PERENNIAL_COMMAND, "--route=a b", "stats"}).exit_code, 2);
}

TEST_F(SubcommandTest, TheServerComesFromTheFlagBeforeTheEnvironment) {
  EXPECT_EQ(RunChild({PERENNIAL_COMMAND, "stats"}, "", {{"PERENNIAL_SERVER", address()}}).exit_code, 0);
  EXPECT_EQ(Run({"stats"}, "", {{"PERENNIAL_SERVER", "127.0.0.1:1"}}).exit_code, 0);
  EXPECT_EQ(RunChild({PERENNIAL_COMMAND, "stats", "--server", address()}).exit_code, 0) << "after the subcommand, too";
}

TEST_F(SubcommandTest, TheRouteCanBeGiven) {
  EXPECT_EQ(Run({"--route=mine", "stats"}).exit_code, 0);
  EXPECT_EQ(service().routes(), std::vector<std::string>{"mine"});
}

TEST_F(SubcommandTest, AnAbsentServerIsExitCodeThree) {
  const std::vector<std::vector<std::string>> calls = {
      {"ask", "Hello"}, {"sessions"}, {"stats"}, {"model"}, {"count", "Hello"}};
  for (std::vector<std::string> arguments : calls) {
    arguments.insert(arguments.begin(), {PERENNIAL_COMMAND, "--server=127.0.0.1:1"});
    const ChildResult result = RunChild(arguments);
    EXPECT_EQ(result.exit_code, 3) << arguments[2];
    EXPECT_EQ(result.err, "perennial: no server at 127.0.0.1:1; start one with ./dev serve\n");
  }
}

TEST_F(SubcommandTest, SomethingElseAtThePortIsExitCodeThreeAndSaysSo) {
  // A server of something else: it says a line and hangs up.
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 8), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string server = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  std::thread other([listener] {
    while (true) {
      const int connection = accept(listener, nullptr, nullptr);
      if (connection < 0) return;
      constexpr absl::string_view kGreeting = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
      [[maybe_unused]] const ssize_t written = write(connection, kGreeting.data(), kGreeting.size());
      close(connection);
    }
  });
  const ChildResult result = RunChild({PERENNIAL_COMMAND, "--server=" + server, "ask", "Hello"});
  shutdown(listener, SHUT_RDWR);
  other.join();
  close(listener);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err,
              StartsWith("perennial: what answers at " + server + " is not a Perennial server; check --server"));
}

TEST_F(SubcommandTest, AShutdownIsExitCodeThree) {
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {},
                    .end = PerennialError(grpc::StatusCode::UNAVAILABLE, "SHUTTING_DOWN", "the server shuts down")};
  });
  const ChildResult result = Run({"ask", "Hello"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.err, "perennial: the server shuts down [SHUTTING_DOWN]\n");
}

}  // namespace
}  // namespace perennial
