// Start, readiness, refusal to start, and the end: what an operator sees of the process.

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "tests/e2e/chat_calls.h"
#include "tests/e2e/server_process.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

constexpr char kFakeServer[] = FAKE_PERENNIALD;

std::shared_ptr<grpc::Channel> ChannelTo(const ServerProcess& server) {
  return grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
}

v1::ChatRequest LongTurn(int64_t max_tokens) {
  v1::ChatRequest request = Say("", "go on");
  request.set_max_tokens(max_tokens);
  request.set_ignore_end_of_turn(true);
  return request;
}

// ---- Start ----

struct BadStart {
  std::vector<std::string> flags;
  std::string expected;  // part of the line

  friend void PrintTo(const BadStart& start, std::ostream* out) { *out << start.expected; }
};

class BadStartTest : public ::testing::TestWithParam<BadStart> {};

TEST_P(BadStartTest, EndsWithOneLineAndCodeTwo) {
  std::vector<std::string> arguments = {kFakeServer, "--model=echo"};
  arguments.insert(arguments.end(), GetParam().flags.begin(), GetParam().flags.end());
  ChildProcess process(arguments);
  EXPECT_EQ(process.AwaitExit(), 2);
  EXPECT_FALSE(process.AwaitOutput("serving on"));
  const std::string output = process.output();
  EXPECT_THAT(output, HasSubstr(GetParam().expected));
  EXPECT_EQ(std::count(output.begin(), output.end(), '\n'), 1) << output;
}

INSTANTIATE_TEST_SUITE_P(
    Flags, BadStartTest,
    ::testing::Values(
        BadStart{{"--no_such_flag=1"}, "no_such_flag"},
        BadStart{{"--threads=many"}, "Illegal value 'many' specified for flag 'threads'"},
        BadStart{{"--cache_memory=2Gi"}, "KiB, MiB, GiB or TiB"}, BadStart{{"stray"}, "\"stray\" is not a flag"},
        BadStart{{"--listen=0.0.0.0:0"}, "add --insecure"}, BadStart{{"--listen=127.0.0.1"}, "is not HOST:PORT"},
        BadStart{{"--sink_tokens=1024"}, "--sink_tokens: 1024 is not in 0 … 1023"},
        BadStart{{"--temperature=11"}, "--temperature: 11 is not in [0, 10]"},
        BadStart{{"--max_tokens=0"}, "--max_tokens: 0 is not in 1"},
        BadStart{{"--drain_timeout=-1s"}, "--drain_timeout: -1s"},
        BadStart{{"--log_level=loud"}, "--log_level: \"loud\""},
        BadStart{{"--cache_tokens=100000"}, "--cache_tokens: 100000 is more than 8192"},
        BadStart{{"--cache_memory=1KiB"}, "--cache_memory: 1.00 KiB is less than one session needs, 16.0 KiB"},
        BadStart{{"--max_running_turns=0"}, "--max_running_turns: 0"}));

TEST(LifecycleE2eTest, AnAddressInUseEndsTheStartWithCodeOne) {
  ServerProcess server(kFakeServer, {"--model=echo"});
  ChildProcess second({kFakeServer, "--model=echo", "--listen=" + server.address()});
  EXPECT_EQ(second.AwaitExit(), 1);
  EXPECT_TRUE(second.AwaitOutput("--listen: cannot listen on " + server.address()));
  const std::string output = second.output();
  EXPECT_THAT(output, Not(HasSubstr("chttp2")));  // ours is the only line about it
}

TEST(LifecycleE2eTest, HelpTeachesAndEndsWithCodeZero) {
  ChildProcess process({kFakeServer, "--help"});
  EXPECT_EQ(process.AwaitExit(), 0);
  EXPECT_TRUE(process.AwaitOutput("--sink_tokens  (4; 1 for a model that was trained with a sink token)"));
  EXPECT_TRUE(process.AwaitOutput("Examples:"));
}

TEST(LifecycleE2eTest, AFlagFileIsRead) {
  TemporaryFolder folder;
  const std::string path = folder.File("server.flags");
  std::ofstream(path) << "# sizes\n--cache_tokens=64\n--sink_tokens=2\n";
  ServerProcess server(kFakeServer, {"--model=echo", "--flagfile=" + path});
  const auto stub = Connect(server.address());
  const v1::Session session = NewSession(*stub);
  EXPECT_EQ(session.memory().sink_tokens(), 2);
  EXPECT_EQ(session.memory().window_tokens(), 62);
}

TEST(LifecycleE2eTest, TheStartPrintsTheMemorySumAndNoText) {
  ServerProcess server(kFakeServer, {"--model=echo", "--cache_memory=1MiB", "--log_level=trace"});
  EXPECT_THAT(server.process().output(),
              HasSubstr("16 bytes a token x 1024 tokens = 16.0 KiB a session) = 64 sessions"));
  const auto stub = Connect(server.address());
  ChatStream chat(*stub, Say("", "a secret"));
  ASSERT_TRUE(chat.End().ok());
  server.process().Signal(SIGTERM);
  EXPECT_EQ(server.process().AwaitExit(), 0);
  EXPECT_THAT(server.process().output(), Not(HasSubstr("secret")));
}

// ---- Services beside the API ----

TEST(LifecycleE2eTest, ReflectionListsTheServicesAndKnowsTheirTypes) {
  ServerProcess server(kFakeServer, {"--model=echo"});
  namespace reflection = grpc::reflection::v1alpha;
  const auto stub = reflection::ServerReflection::NewStub(ChannelTo(server));
  grpc::ClientContext context;
  const auto stream = stub->ServerReflectionInfo(&context);
  reflection::ServerReflectionRequest request;
  reflection::ServerReflectionResponse response;
  request.set_list_services("");
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  std::vector<std::string> names;
  for (const auto& service : response.list_services_response().service()) names.push_back(service.name());
  EXPECT_THAT(names, IsSupersetOf({"perennial.v1.ChatService", "grpc.health.v1.Health"}));
  for (const std::string& name : names) {
    request.set_file_containing_symbol(name);
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_TRUE(response.has_file_descriptor_response()) << name << ": " << response.error_response().error_message();
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

// ---- End ----

TEST(LifecycleE2eTest, SigtermTellsRunningTurnsLetsThemFinishAndEndsWithCodeZero) {
  ServerProcess server(kFakeServer, {"--model=slow", "--drain_timeout=50s"});
  const auto stub = Connect(server.address());
  ChatStream chat(*stub, LongTurn(25));  // half a second
  ASSERT_TRUE(chat.ReadUntil(v1::TurnEvent::kDelta));
  server.process().Signal(SIGTERM);
  ASSERT_TRUE(chat.ReadUntil(v1::TurnEvent::kGoAway));
  EXPECT_GT(chat.events().back().go_away().time_left().seconds(), 40);
  EXPECT_TRUE(chat.End().ok());
  EXPECT_EQ(chat.finished().reason(), v1::FINISH_REASON_MAX_TOKENS);
  EXPECT_EQ(chat.text().size(), 25u);
  EXPECT_EQ(server.process().AwaitExit(), 0);
}

TEST(LifecycleE2eTest, SigtermCutsTurnsAtTheDrainTimeout) {
  ServerProcess server(kFakeServer, {"--model=slow", "--drain_timeout=200ms"});
  const auto stub = Connect(server.address());
  ChatStream chat(*stub, LongTurn(0));
  ASSERT_TRUE(chat.ReadUntil(v1::TurnEvent::kDelta));
  server.process().Signal(SIGTERM);
  const grpc::Status status = chat.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "SHUTTING_DOWN");
  EXPECT_TRUE(RetryInfoOf(status).has_value());
  EXPECT_EQ(server.process().AwaitExit(), 0);
}

TEST(LifecycleE2eTest, WhileItDrainsHealthSaysNotServingAndNewTurnsAreRefused) {
  ServerProcess server(kFakeServer, {"--model=slow", "--drain_timeout=50s"});
  const auto stub = Connect(server.address());
  const auto health = grpc::health::v1::Health::NewStub(ChannelTo(server));
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("perennial.v1.ChatService");
  const auto watch = health->Watch(&context, request);
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);

  ChatStream running(*stub, LongTurn(0));
  ASSERT_TRUE(running.ReadUntil(v1::TurnEvent::kDelta));
  server.process().Signal(SIGTERM);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  ASSERT_TRUE(running.ReadUntil(v1::TurnEvent::kGoAway));
  ChatStream refused(*stub, Say("", "hello"));
  const grpc::Status status = refused.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "SHUTTING_DOWN");
  running.Cancel();
  running.End();
  context.TryCancel();
  EXPECT_EQ(server.process().AwaitExit(), 0);
}

TEST(LifecycleE2eTest, ASecondSignalEndsAtOnceWithCodeThree) {
  ServerProcess server(kFakeServer, {"--model=slow", "--drain_timeout=1h"});
  const auto stub = Connect(server.address());
  ChatStream chat(*stub, LongTurn(0));
  ASSERT_TRUE(chat.ReadUntil(v1::TurnEvent::kDelta));
  server.process().Signal(SIGTERM);
  ASSERT_TRUE(chat.ReadUntil(v1::TurnEvent::kGoAway));
  server.process().Signal(SIGINT);
  EXPECT_EQ(server.process().AwaitExit(), 3);
}

}  // namespace
}  // namespace perennial
