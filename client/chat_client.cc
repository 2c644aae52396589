#include "client/chat_client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/error_text.h"
#include "client/resilient_turn.h"
#include "perennial/v1/chat_service.grpc.pb.h"

namespace perennial {
namespace {

constexpr char kRouteMetadata[] = "x-session-route";
constexpr size_t kMaxRouteBytes = 64;

// Calls that change nothing, and calls that the server recognizes by their request_id. A turn is repeated by
// ResilientTurn, and other calls never: whether they were run when their answer is lost cannot be known.
constexpr char kServiceConfig[] = R"json({
  "methodConfig": [{
    "name": [
      {"service": "perennial.v1.ChatService", "method": "GetSession"},
      {"service": "perennial.v1.ChatService", "method": "ListSessions"},
      {"service": "perennial.v1.ChatService", "method": "GetTranscript"},
      {"service": "perennial.v1.ChatService", "method": "GetModel"},
      {"service": "perennial.v1.ChatService", "method": "GetStats"},
      {"service": "perennial.v1.ChatService", "method": "CountTokens"},
      {"service": "perennial.v1.ChatService", "method": "CreateSession"},
      {"service": "perennial.v1.ChatService", "method": "ForkSession"},
      {"service": "perennial.v1.ChatService", "method": "RewindSession"},
      {"service": "perennial.v1.ChatService", "method": "AppendMessages"}
    ],
    "retryPolicy": {
      "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
})json";

absl::Status CheckServer(absl::string_view server) {
  if (absl::StrContains(server, ":/")) return absl::OkStatus();  // a gRPC name with a scheme
  const size_t colon = server.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || colon == 0 || !absl::SimpleAtoi(server.substr(colon + 1), &port) ||
      port < 1 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("server '", server, "' is not HOST:PORT with a port of 1 to 65535"));
  }
  return absl::OkStatus();
}

absl::Status CheckRoute(absl::string_view route) {
  const bool fits = route.size() <= kMaxRouteBytes && std::all_of(route.begin(), route.end(), [](unsigned char c) {
                      return absl::ascii_isalnum(c) || c == '_' || c == '-';
                    });
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("route '", route, "' is not up to ", kMaxRouteBytes, " characters of [A-Za-z0-9_-]"));
}

bool IsLoopback(absl::string_view server) {
  return absl::StartsWith(server, "127.") || absl::StartsWith(server, "localhost:") ||
         absl::StartsWith(server, "[::1]:");
}

int Milliseconds(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

std::shared_ptr<grpc::Channel> NewChannel(const ChatClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(kServiceConfig);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive_interval));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options.keepalive_timeout));
  // A client that only listens sends nothing else: its pings need no data of its own between them.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The smallest backoff is also the time that an attempt to connect may take. A person waits behind this channel: a
  // server that is back should be found within a second.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, Milliseconds(options.connect_timeout));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetUserAgentPrefix("perennial");
  // http_proxy is for other machines.
  if (IsLoopback(options.server)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(options.server, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

std::string RandomRoute() {
  constexpr absl::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device random;
  std::uniform_int_distribution<size_t> letter(0, kAlphabet.size() - 1);
  std::string route(22, ' ');
  for (char& c : route) c = kAlphabet[letter(random)];
  return route;
}

std::string RandomRequestId() { return RandomRoute(); }

struct ChatClient::Stub {
  std::unique_ptr<v1::ChatService::Stub> service;

  // Runs a call of one request and one response.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(const ChatClientOptions& options,
                                grpc::Status (v1::ChatService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                                              Response*),
                                const Request& request, std::optional<absl::Duration> timeout = std::nullopt) {
    grpc::ClientContext call;
    call.AddMetadata(kRouteMetadata, options.route);
    call.set_deadline(std::chrono::system_clock::now() +
                      absl::ToChronoMilliseconds(timeout.value_or(options.call_timeout)));
    Response response;
    const grpc::Status status = (service.get()->*method)(&call, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  TurnOptions Turns(const ChatClientOptions& options) {
    return {.service = *service,
            .route = options.route,
            .call_timeout = options.call_timeout,
            .backoff = options.reconnect,
            .waits_for_server = options.waits_for_server};
  }
};

absl::StatusOr<std::unique_ptr<ChatClient>> ChatClient::Create(ChatClientOptions options) {
  if (absl::Status status = CheckServer(options.server); !status.ok()) return status;
  if (absl::Status status = CheckRoute(options.route); !status.ok()) return status;
  if (options.route.empty()) options.route = RandomRoute();
  auto stub = std::make_unique<Stub>();
  stub->service = v1::ChatService::NewStub(NewChannel(options));
  return std::unique_ptr<ChatClient>(new ChatClient(std::move(options), std::move(stub)));
}

ChatClient::ChatClient(ChatClientOptions options, std::unique_ptr<Stub> stub)
    : options_(std::move(options)), stub_(std::move(stub)) {}

ChatClient::~ChatClient() = default;

absl::StatusOr<v1::Session> ChatClient::CreateSession(v1::SessionConfig config, const std::string& request_id) {
  if (config.route().empty()) config.set_route(options_.route);
  v1::CreateSessionRequest request;
  request.set_request_id(request_id.empty() ? RandomRequestId() : request_id);
  *request.mutable_config() = std::move(config);
  auto response = stub_->Call(options_, &v1::ChatService::Stub::CreateSession, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_session());
}

absl::StatusOr<v1::Session> ChatClient::GetSession(const std::string& session_id) {
  v1::GetSessionRequest request;
  request.set_session_id(session_id);
  auto response = stub_->Call(options_, &v1::ChatService::Stub::GetSession, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_session());
}

absl::StatusOr<std::vector<v1::Session>> ChatClient::ListSessions(v1::SessionState state) {
  std::vector<v1::Session> sessions;
  v1::ListSessionsRequest request;
  request.set_state(state);
  do {
    auto response = stub_->Call(options_, &v1::ChatService::Stub::ListSessions, request);
    if (!response.ok()) return response.status();
    for (v1::Session& session : *response->mutable_sessions()) sessions.push_back(std::move(session));
    request.set_page_token(response->next_page_token());
  } while (!request.page_token().empty());
  return sessions;
}

absl::StatusOr<v1::Session> ChatClient::UpdateSession(const v1::UpdateSessionRequest& request) {
  auto response = stub_->Call(options_, &v1::ChatService::Stub::UpdateSession, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_session());
}

absl::StatusOr<v1::Session> ChatClient::DeleteSession(const std::string& session_id) {
  v1::DeleteSessionRequest request;
  request.set_session_id(session_id);
  auto response = stub_->Call(options_, &v1::ChatService::Stub::DeleteSession, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_session());
}

absl::StatusOr<v1::GetModelResponse> ChatClient::GetModel() {
  return stub_->Call(options_, &v1::ChatService::Stub::GetModel, v1::GetModelRequest());
}

absl::StatusOr<v1::Stats> ChatClient::GetStats() {
  auto response = stub_->Call(options_, &v1::ChatService::Stub::GetStats, v1::GetStatsRequest());
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_stats());
}

absl::StatusOr<int64_t> ChatClient::CountTokens(const v1::CountTokensRequest& request) {
  auto response = stub_->Call(options_, &v1::ChatService::Stub::CountTokens, request);
  if (!response.ok()) return response.status();
  return response->tokens();
}

absl::StatusOr<v1::Session> ChatClient::ForkSession(v1::ForkSessionRequest request) {
  if (request.request_id().empty()) request.set_request_id(RandomRequestId());
  auto response = stub_->Call(options_, &v1::ChatService::Stub::ForkSession, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_session());
}

absl::StatusOr<v1::Session> ChatClient::RewindSession(v1::RewindSessionRequest request) {
  if (request.request_id().empty()) request.set_request_id(RandomRequestId());
  auto response = stub_->Call(options_, &v1::ChatService::Stub::RewindSession, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_session());
}

absl::StatusOr<v1::Notes> ChatClient::SetNotes(const v1::SetNotesRequest& request) {
  auto response = stub_->Call(options_, &v1::ChatService::Stub::SetNotes, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_notes());
}

absl::StatusOr<v1::Notes> ChatClient::PinTurn(const std::string& session_id, int64_t turn) {
  v1::PinTurnRequest request;
  request.set_session_id(session_id);
  request.set_turn(turn);
  auto response = stub_->Call(options_, &v1::ChatService::Stub::PinTurn, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_notes());
}

absl::StatusOr<std::vector<v1::TranscriptTurn>> ChatClient::GetTranscript(const std::string& session_id) {
  v1::GetTranscriptRequest request;
  request.set_session_id(session_id);
  auto response = stub_->Call(options_, &v1::ChatService::Stub::GetTranscript, request);
  if (!response.ok()) return response.status();
  return std::vector<v1::TranscriptTurn>(response->turns().begin(), response->turns().end());
}

absl::StatusOr<v1::AppendMessagesResponse> ChatClient::AppendMessages(v1::AppendMessagesRequest request) {
  if (request.request_id().empty()) request.set_request_id(RandomRequestId());
  return stub_->Call(options_, &v1::ChatService::Stub::AppendMessages, request, options_.append_timeout);
}

absl::StatusOr<int32_t> ChatClient::CancelTurn(const v1::CancelTurnRequest& request) {
  auto response = stub_->Call(options_, &v1::ChatService::Stub::CancelTurn, request);
  if (!response.ok()) return response.status();
  return response->cancelled_turns();
}

absl::StatusOr<v1::Finished> ChatClient::Chat(v1::ChatRequest request,
                                              absl::FunctionRef<void(const v1::TurnEvent&)> on_event,
                                              CancelToken* cancel, ConnectionObserver* observer) {
  if (request.session_id().empty() && request.config().route().empty()) {
    request.mutable_config()->set_route(options_.route);
  }
  if (options_.turns_survive && request.on_disconnect() == v1::ON_DISCONNECT_UNSPECIFIED) {
    request.set_on_disconnect(v1::ON_DISCONNECT_CONTINUE);
  }
  if (request.request_id().empty() &&
      (options_.turns_survive || request.on_disconnect() == v1::ON_DISCONNECT_CONTINUE)) {
    request.set_request_id(RandomRequestId());
  }
  return ResilientTurn(stub_->Turns(options_), on_event, cancel, observer).Chat(request);
}

absl::StatusOr<v1::Finished> ChatClient::Attach(const v1::AttachRequest& request,
                                                absl::FunctionRef<void(const v1::TurnEvent&)> on_event,
                                                CancelToken* cancel, ConnectionObserver* observer) {
  return ResilientTurn(stub_->Turns(options_), on_event, cancel, observer).Attach(request);
}

}  // namespace perennial
