#include "server/server.h"

#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "grpc/health/v1/health.pb.h"
#include "model/check.h"

namespace perennial {
namespace {

// For a client to read what its stream still holds after its turn was cut.
constexpr absl::Duration kLastReads = absl::Seconds(1);
// Clients may ping this often, with or without calls; gRPC's default of 5 minutes is too long for proxies that cut
// quiet connections after 60 seconds. Ours ping every 20 seconds.
constexpr absl::Duration kMinClientPing = absl::Seconds(10);
// The server's own pings find clients that vanished without a word.
constexpr absl::Duration kServerPing = absl::Seconds(60);
constexpr absl::Duration kServerPingTimeout = absl::Seconds(20);

int Milliseconds(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

void Configure(const ServerOptions& options, grpc::ServerBuilder& builder) {
  // Two servers on one port would share its connections at random.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, Milliseconds(kMinClientPing));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(kServerPing));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(kServerPingTimeout));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_streams_per_connection);
  // A text somewhat over max_text_bytes gets our answer, which names the field; one far over it gets gRPC's.
  builder.SetMaxReceiveMessageSize(std::min(int64_t{2} * options.max_text_bytes + (1 << 20), int64_t{1} << 30));
  grpc::ResourceQuota quota("perennial");
  quota.Resize(static_cast<size_t>(options.rpc_memory));
  builder.SetResourceQuota(quota);
}

}  // namespace

Server::Server(const RequestRules& rules, const ModelFacts& model, const PromptRenderer* renderer, Engine* engine,
               std::function<uint64_t()> random_bits)
    : engine_(engine),
      text_worker_(std::make_unique<TextWorker>(rules.options.inline_text_bytes, rules.options.max_waiting_texts,
                                                rules.options.engine.retry_after)),
      service_(ServiceParts{.rules = rules,
                            .model = model,
                            .renderer = renderer,
                            .engine = engine,
                            .text_worker = text_worker_.get(),
                            .random_bits = std::move(random_bits)}) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const RequestRules& rules, const ModelFacts& model,
                                                      const PromptRenderer* renderer, Engine* engine,
                                                      std::function<uint64_t()> random_bits) {
  // Both are process-wide and harmless to repeat.
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  // Names a symbol of health.pb.cc, so that the linker keeps the file: reflection needs its descriptor.
  PERENNIAL_CHECK(grpc::health::v1::HealthCheckRequest::descriptor() != nullptr);

  std::unique_ptr<Server> server(new Server(rules, model, renderer, engine, std::move(random_bits)));
  grpc::ServerBuilder builder;
  Configure(rules.options, builder);
  builder.AddListeningPort(rules.options.listen, grpc::InsecureServerCredentials(), &server->port_);
  builder.RegisterService(&server->service_);
  server->grpc_server_ = builder.BuildAndStart();
  const bool is_socket_file = absl::StartsWith(rules.options.listen, "unix:");
  if (server->grpc_server_ == nullptr || (server->port_ <= 0 && !is_socket_file)) {
    return absl::UnavailableError(absl::StrCat("--listen: cannot listen on ", rules.options.listen,
                                               ": in use, not an address of this machine, or not allowed"));
  }
  if (is_socket_file) server->port_ = 0;
  server->grpc_server_->GetHealthCheckService()->SetServingStatus(v1::ChatService::service_full_name(), true);
  return server;
}

Server::~Server() { Drain(absl::ZeroDuration()); }

absl::Status Server::WritePortFile(const std::string& path) const {
  const std::string temporary = path + ".tmp";
  std::ofstream file(temporary, std::ios::trunc);
  file << port_ << "\n";
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    std::remove(temporary.c_str());
    return absl::UnavailableError(absl::StrCat("--port_file: cannot write ", path));
  }
  return absl::OkStatus();
}

void Server::Drain(absl::Duration timeout) {
  if (grpc_server_ == nullptr) return;
  // Watchers of the health service are told at once, and so are balancers.
  grpc_server_->GetHealthCheckService()->SetServingStatus(false);
  absl::Notification no_turn_left;
  engine_->Drain(absl::Now() + timeout, [&no_turn_left] { no_turn_left.Notify(); });
  no_turn_left.WaitForNotification();
  // Waits for all calls; those that have not ended in time are cancelled. The engine must still run: it answers them.
  grpc_server_->Shutdown(absl::ToChronoTime(absl::Now() + kLastReads));
  grpc_server_->Wait();
  text_worker_.reset();
  engine_->Stop();
  grpc_server_.reset();
}

}  // namespace perennial
