#include "tests/client/fake_chat_service.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace perennial {
namespace {

grpc::Status SessionNotFound(const std::string& id) {
  return PerennialError(grpc::StatusCode::NOT_FOUND, "SESSION_NOT_FOUND",
                        absl::StrCat("session '", id, "' is unknown"));
}

FakeTurn Echo(const v1::ChatRequest& request) {
  return {.events = {StartedEvent(20), DeltaEvent("echo: "), DeltaEvent(request.message()), FinishedEvent()}};
}

}  // namespace

v1::TurnEvent QueuedEvent(int32_t position) {
  v1::TurnEvent event;
  event.mutable_queued()->set_position(position);
  return event;
}

v1::TurnEvent StartedEvent(int64_t prompt_tokens) {
  v1::TurnEvent event;
  event.set_turn(1);
  event.mutable_started()->set_prompt_tokens(prompt_tokens);
  return event;
}

v1::TurnEvent DeltaEvent(const std::string& text) {
  v1::TurnEvent event;
  event.set_turn(1);
  event.mutable_delta()->set_text(text);
  event.mutable_delta()->set_tokens(1);
  return event;
}

v1::TurnEvent EvictedEvent(int64_t first_turn, int64_t last_turn) {
  v1::TurnEvent event;
  event.set_turn(4);
  event.mutable_evicted()->set_first_turn(first_turn);
  event.mutable_evicted()->set_last_turn(last_turn);
  return event;
}

v1::TurnEvent FinishedEvent(v1::FinishReason reason) {
  v1::TurnEvent event;
  event.set_turn(1);
  v1::Finished& finished = *event.mutable_finished();
  finished.set_reason(reason);
  finished.mutable_usage()->set_prompt_tokens(18);
  finished.mutable_usage()->set_fed_tokens(30);
  finished.mutable_usage()->set_generated_tokens(11);
  finished.mutable_timing()->mutable_queue()->set_nanos(250'000'000);
  finished.mutable_timing()->mutable_prefill()->set_nanos(500'000'000);
  finished.mutable_timing()->mutable_first_token()->set_nanos(750'000'000);
  finished.mutable_timing()->mutable_decode()->set_seconds(2);
  finished.mutable_memory()->set_stream_tokens(31);
  finished.mutable_memory()->set_visible_tokens(30);
  finished.mutable_memory()->set_sink_tokens(4);
  finished.mutable_memory()->set_window_tokens(508);
  return event;
}

v1::TurnEvent ForgetfulFinishedEvent() {
  v1::TurnEvent event = FinishedEvent();
  event.mutable_finished()->mutable_usage()->set_evicted_tokens(7);
  v1::SessionMemory& memory = *event.mutable_finished()->mutable_memory();
  memory.set_stream_tokens(5120);
  memory.set_visible_tokens(512);
  memory.set_forgotten_tokens(4608);
  memory.set_horizon_token(4612);
  memory.set_horizon_turn(12);
  return event;
}

grpc::Status PerennialError(grpc::StatusCode code, const std::string& reason, const std::string& message) {
  google::rpc::ErrorInfo error;
  error.set_domain("perennial");
  error.set_reason(reason);
  google::rpc::Status details;
  details.set_code(code);
  details.set_message(message);
  details.add_details()->PackFrom(error);
  return grpc::Status(code, message, details.SerializeAsString());
}

// Writes a FakeTurn's events one after another. Deletes itself when gRPC is done with it.
class FakeChatService::TurnReactor : public grpc::ServerWriteReactor<v1::ChatResponse> {
 public:
  TurnReactor(FakeChatService& service, FakeTurn turn, const std::string& session_id)
      : service_(service), turn_(std::move(turn)), session_id_(session_id) {}

  void Start() {
    absl::MutexLock lock(&mutex_);
    NextLocked();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    if (ok) {
      NextLocked();
    } else {
      FinishLocked(grpc::Status::CANCELLED);
    }
  }

  void OnCancel() override {
    service_.NoteCancelledTurn();
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    if (waiting_) FinishLocked(grpc::Status::CANCELLED);
  }

  void OnDone() override { delete this; }

 private:
  void NextLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (next_ < turn_.events.size()) {
      *response_.mutable_event() = turn_.events[next_++];
      response_.mutable_event()->set_session_id(session_id_);
      StartWrite(&response_);
    } else if (turn_.end.has_value()) {
      FinishLocked(*turn_.end);
    } else if (cancelled_) {
      FinishLocked(grpc::Status::CANCELLED);
    } else {
      waiting_ = true;
    }
  }

  void FinishLocked(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!std::exchange(finished_, true)) Finish(status);
  }

  FakeChatService& service_;
  const FakeTurn turn_;
  const std::string session_id_;
  absl::Mutex mutex_;
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  v1::ChatResponse response_;  // in flight or free
};

void FakeChatService::SetOnChat(std::function<FakeTurn(const v1::ChatRequest&)> on_chat) {
  absl::MutexLock lock(&mutex_);
  on_chat_ = std::move(on_chat);
}

void FakeChatService::FailStats(int times, grpc::Status status) {
  absl::MutexLock lock(&mutex_);
  stats_failures_ = times;
  stats_failure_ = std::move(status);
}

std::vector<v1::ChatRequest> FakeChatService::chats() const {
  absl::MutexLock lock(&mutex_);
  return chats_;
}

std::vector<std::string> FakeChatService::routes() const {
  absl::MutexLock lock(&mutex_);
  return routes_;
}

std::vector<v1::Session> FakeChatService::sessions() const {
  absl::MutexLock lock(&mutex_);
  std::vector<v1::Session> sessions;
  for (const auto& [id, session] : sessions_) sessions.push_back(session);
  return sessions;
}

int FakeChatService::cancelled_turns() const {
  absl::MutexLock lock(&mutex_);
  return cancelled_turns_;
}

int FakeChatService::stats_calls() const {
  absl::MutexLock lock(&mutex_);
  return stats_calls_;
}

bool FakeChatService::WaitForCancelledTurns(int count) const {
  absl::MutexLock lock(&mutex_);
  const auto reached = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return cancelled_turns_ >= count; };
  return mutex_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(10));
}

void FakeChatService::NoteCancelledTurn() {
  absl::MutexLock lock(&mutex_);
  ++cancelled_turns_;
}

void FakeChatService::NoteRoute(const grpc::ServerContextBase& call) {
  const auto found = call.client_metadata().find("x-session-route");
  absl::MutexLock lock(&mutex_);
  routes_.push_back(found == call.client_metadata().end() ? ""
                                                          : std::string(found->second.data(), found->second.size()));
}

grpc::Status FakeChatService::CreateSession(grpc::ServerContext* call, const v1::CreateSessionRequest* request,
                                            v1::CreateSessionResponse* response) {
  NoteRoute(*call);
  absl::MutexLock lock(&mutex_);
  v1::Session session;
  session.set_session_id(absl::StrFormat("%032x", ++sessions_created_));
  session.set_state(v1::SESSION_STATE_IDLE);
  session.set_route(request->config().route());
  *session.mutable_labels() = request->config().labels();
  *session.mutable_idle_timeout() = request->config().idle_timeout();
  session.mutable_memory()->set_sink_tokens(4);
  session.mutable_memory()->set_window_tokens(508);
  sessions_[session.session_id()] = session;
  *response->mutable_session() = session;
  return grpc::Status::OK;
}

grpc::Status FakeChatService::GetSession(grpc::ServerContext* call, const v1::GetSessionRequest* request,
                                         v1::GetSessionResponse* response) {
  NoteRoute(*call);
  absl::MutexLock lock(&mutex_);
  const auto found = sessions_.find(request->session_id());
  if (found == sessions_.end()) return SessionNotFound(request->session_id());
  *response->mutable_session() = found->second;
  return grpc::Status::OK;
}

grpc::Status FakeChatService::ListSessions(grpc::ServerContext* call, const v1::ListSessionsRequest* request,
                                           v1::ListSessionsResponse* response) {
  NoteRoute(*call);
  absl::MutexLock lock(&mutex_);
  for (auto it = sessions_.upper_bound(request->page_token()); it != sessions_.end(); ++it) {
    if (request->state() != v1::SESSION_STATE_UNSPECIFIED && request->state() != it->second.state()) continue;
    if (response->sessions_size() == 2) {
      response->set_next_page_token(response->sessions(1).session_id());
      break;
    }
    *response->add_sessions() = it->second;
  }
  return grpc::Status::OK;
}

grpc::Status FakeChatService::UpdateSession(grpc::ServerContext* call, const v1::UpdateSessionRequest* request,
                                            v1::UpdateSessionResponse* response) {
  NoteRoute(*call);
  absl::MutexLock lock(&mutex_);
  const auto found = sessions_.find(request->session_id());
  if (found == sessions_.end()) return SessionNotFound(request->session_id());
  if (request->has_labels()) *found->second.mutable_labels() = request->labels().labels();
  *response->mutable_session() = found->second;
  return grpc::Status::OK;
}

grpc::Status FakeChatService::DeleteSession(grpc::ServerContext* call, const v1::DeleteSessionRequest* request,
                                            v1::DeleteSessionResponse* response) {
  NoteRoute(*call);
  absl::MutexLock lock(&mutex_);
  const auto found = sessions_.find(request->session_id());
  if (found == sessions_.end()) return SessionNotFound(request->session_id());
  *response->mutable_session() = found->second;
  sessions_.erase(found);
  return grpc::Status::OK;
}

grpc::Status FakeChatService::GetModel(grpc::ServerContext* call, const v1::GetModelRequest*,
                                       v1::GetModelResponse* response) {
  NoteRoute(*call);
  response->set_model("fake-model");
  response->set_architecture("fake");
  response->set_runner("fake cpu float32, 1 thread");
  response->set_trained_tokens(8192);
  response->set_api_revision(3);
  response->mutable_defaults()->mutable_sampling()->set_temperature(0.25F);
  response->mutable_limits()->set_max_sessions(40);
  response->mutable_limits()->mutable_max_idle_timeout()->set_seconds(86400);
  return grpc::Status::OK;
}

grpc::Status FakeChatService::CountTokens(grpc::ServerContext* call, const v1::CountTokensRequest* request,
                                          v1::CountTokensResponse* response) {
  NoteRoute(*call);
  size_t tokens = request->text().size();
  for (const v1::Message& message : request->messages()) tokens += 10 + message.text().size();
  response->set_tokens(static_cast<int64_t>(tokens));
  return grpc::Status::OK;
}

grpc::Status FakeChatService::GetStats(grpc::ServerContext* call, const v1::GetStatsRequest*,
                                       v1::GetStatsResponse* response) {
  NoteRoute(*call);
  absl::MutexLock lock(&mutex_);
  ++stats_calls_;
  if (stats_failures_ > 0) {
    --stats_failures_;
    return stats_failure_;
  }
  response->mutable_stats()->set_sessions(static_cast<int64_t>(sessions_.size()));
  response->mutable_stats()->set_max_sessions(40);
  response->mutable_stats()->set_evicted_tokens(1234567);
  response->mutable_stats()->set_steps(4);
  response->mutable_stats()->set_step_tokens(10);
  response->mutable_stats()->mutable_step_time()->set_seconds(2);
  return grpc::Status::OK;
}

grpc::ServerWriteReactor<v1::ChatResponse>* FakeChatService::Chat(grpc::CallbackServerContext* call,
                                                                  const v1::ChatRequest* request) {
  NoteRoute(*call);
  std::string session_id = request->session_id();
  FakeTurn turn;
  {
    absl::MutexLock lock(&mutex_);
    chats_.push_back(*request);
    if (!session_id.empty() && sessions_.count(session_id) == 0) {
      turn.end = SessionNotFound(session_id);
    } else {
      turn = on_chat_ ? on_chat_(*request) : Echo(*request);
    }
    if (session_id.empty()) session_id = "ephemeral";
  }
  auto* reactor = new TurnReactor(*this, std::move(turn), session_id);
  reactor->Start();
  return reactor;
}

FakeChatServer::FakeChatServer() {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service_);
  server_ = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeChatServer::~FakeChatServer() { server_->Shutdown(std::chrono::system_clock::now()); }

}  // namespace perennial
