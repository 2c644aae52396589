#include "server/server.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/server/fake_engine.h"
#include "tests/server/served_engine.h"

namespace perennial {
namespace {

grpc::health::v1::HealthCheckResponse::ServingStatus Health(const std::string& address, const std::string& service) {
  const auto stub = grpc::health::v1::Health::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  grpc::health::v1::HealthCheckResponse response;
  EXPECT_TRUE(stub->Check(&context, request, &response).ok());
  return response.status();
}

TEST(ServerTest, TakesAFreePortAndSaysWhich) {
  FakeEngine engine;
  const ServedEngine one(&engine);
  const ServedEngine other(&engine);
  EXPECT_GT(one.server->port(), 0);
  EXPECT_NE(one.server->port(), other.server->port());
}

TEST(ServerTest, APortInUseIsAnErrorOfOneLine) {
  FakeEngine engine;
  const ServedEngine served(&engine);
  ServerOptions options = SmallOptions();
  options.listen = served.address;
  const BytePromptRenderer renderer;
  const auto second = Server::Start(MakeRequestRules(options, SmallLimits(), {}, 4), {}, &renderer, &engine,
                                    [] { return uint64_t{1}; });
  EXPECT_TRUE(absl::IsUnavailable(second.status()));
  EXPECT_EQ(second.status().message().find('\n'), absl::string_view::npos);
}

TEST(ServerTest, HealthIsServingForTheServerAndTheService) {
  FakeEngine engine;
  const ServedEngine served(&engine);
  EXPECT_EQ(Health(served.address, ""), grpc::health::v1::HealthCheckResponse::SERVING);
  EXPECT_EQ(Health(served.address, "perennial.v1.ChatService"), grpc::health::v1::HealthCheckResponse::SERVING);
}

TEST(ServerTest, ThePortFileHoldsThePort) {
  FakeEngine engine;
  const ServedEngine served(&engine);
  const std::string path = (std::filesystem::path(::testing::TempDir()) / "server_test_port").string();
  ASSERT_TRUE(served.server->WritePortFile(path).ok());
  int port = 0;
  std::ifstream(path) >> port;
  EXPECT_EQ(port, served.server->port());
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
  std::filesystem::remove(path);
  EXPECT_TRUE(absl::IsUnavailable(served.server->WritePortFile("/no/such/folder/port")));
}

TEST(ServerTest, DrainingTwiceIsDrainingOnce) {
  FakeEngine engine;
  ServedEngine served(&engine);
  served.server->Drain(absl::ZeroDuration());
  served.server->Drain(absl::ZeroDuration());
  ChatStream chat(*served.stub, Say("", "hi"));
  EXPECT_EQ(chat.End().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(ServerTest, MessagesFarOverTheLimitAreRefusedByGrpcAndNearIt) {
  FakeEngine engine;
  ServerOptions options = SmallOptions();
  options.max_text_bytes = 1000;
  ServedEngine served(&engine, options);
  ChatStream near(*served.stub, Say("", std::string(1001, 'x')));
  EXPECT_EQ(ReasonOf(near.End()), "INVALID_FIELD");
  ChatStream far(*served.stub, Say("", std::string(3 << 20, 'x')));
  EXPECT_EQ(far.End().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

}  // namespace
}  // namespace perennial
