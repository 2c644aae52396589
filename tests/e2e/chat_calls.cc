#include "tests/e2e/chat_calls.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <utility>

#include "google/rpc/status.pb.h"
#include "model/check.h"

namespace perennial {
namespace {

template <typename Detail>
std::optional<Detail> FindDetail(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  for (const google::protobuf::Any& any : details.details()) {
    Detail detail;
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

std::unique_ptr<grpc::ClientContext> ShortCall() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
  return context;
}

}  // namespace

std::unique_ptr<v1::ChatService::Stub> Connect(const std::string& address, bool fixed_window) {
  grpc::ChannelArguments arguments;
  if (fixed_window) arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // else channels to one address share a connection
  return v1::ChatService::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

TurnStream::TurnStream(std::chrono::milliseconds timeout) {
  context_.set_deadline(std::chrono::system_clock::now() + timeout);
}

ChatStream::ChatStream(v1::ChatService::Stub& stub, const v1::ChatRequest& request, std::chrono::milliseconds timeout)
    : TurnStream(timeout), reader_(stub.Chat(&context_, request)) {}

bool ChatStream::Read(v1::TurnEvent& event) {
  v1::ChatResponse response;
  if (!reader_->Read(&response)) return false;
  event = std::move(*response.mutable_event());
  return true;
}

AttachStream::AttachStream(v1::ChatService::Stub& stub, const v1::AttachRequest& request,
                           std::chrono::milliseconds timeout)
    : TurnStream(timeout), reader_(stub.Attach(&context_, request)) {}

bool AttachStream::Read(v1::TurnEvent& event) {
  v1::AttachResponse response;
  if (!reader_->Read(&response)) return false;
  event = std::move(*response.mutable_event());
  return true;
}

std::optional<v1::TurnEvent> TurnStream::Next() {
  v1::TurnEvent event;
  if (!Read(event)) return std::nullopt;
  if (event.has_delta()) text_ += event.delta().text();
  events_.push_back(std::move(event));
  return events_.back();
}

int64_t TurnStream::sequence() const {
  for (auto event = events_.rbegin(); event != events_.rend(); ++event) {
    if (!event->has_state()) return event->sequence();
  }
  return 0;
}

bool TurnStream::ReadUntil(v1::TurnEvent::EventCase kind) {
  while (const std::optional<v1::TurnEvent> event = Next()) {
    if (event->event_case() == kind) return true;
  }
  return false;
}

grpc::Status TurnStream::End() {
  while (Next().has_value()) continue;
  return Finish();
}

std::string TurnStream::Trailer(const std::string& name) const {
  const auto& trailers = context_.GetServerTrailingMetadata();
  const auto found = trailers.find(name);
  return found == trailers.end() ? "" : std::string(found->second.data(), found->second.size());
}

v1::ChatRequest Say(const std::string& session_id, const std::string& message) {
  v1::ChatRequest request;
  request.set_session_id(session_id);
  request.set_message(message);
  request.mutable_sampling()->set_temperature(0);
  return request;
}

v1::Session NewSession(v1::ChatService::Stub& stub, const v1::SessionConfig& config) {
  v1::CreateSessionRequest request;
  *request.mutable_config() = config;
  v1::CreateSessionResponse response;
  PERENNIAL_CHECK(stub.CreateSession(ShortCall().get(), request, &response).ok());
  return response.session();
}

grpc::Status GetSession(v1::ChatService::Stub& stub, const std::string& session_id, v1::Session* session) {
  v1::GetSessionRequest request;
  request.set_session_id(session_id);
  v1::GetSessionResponse response;
  grpc::Status status = stub.GetSession(ShortCall().get(), request, &response);
  *session = response.session();
  return status;
}

v1::Stats GetStats(v1::ChatService::Stub& stub) {
  v1::GetStatsResponse response;
  PERENNIAL_CHECK(stub.GetStats(ShortCall().get(), {}, &response).ok());
  return response.stats();
}

std::string ReasonOf(const grpc::Status& status) {
  const std::optional<google::rpc::ErrorInfo> error = FindDetail<google::rpc::ErrorInfo>(status);
  return error.has_value() ? error->reason() : "";
}

std::optional<google::rpc::BadRequest> BadRequestOf(const grpc::Status& status) {
  return FindDetail<google::rpc::BadRequest>(status);
}

std::optional<google::rpc::RetryInfo> RetryInfoOf(const grpc::Status& status) {
  return FindDetail<google::rpc::RetryInfo>(status);
}

}  // namespace perennial
