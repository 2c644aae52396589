// A ChatService for tests of clients: sessions in a map, turns as scripts, and a record of what was asked.

#ifndef PERENNIAL_TESTS_CLIENT_FAKE_CHAT_SERVICE_H_
#define PERENNIAL_TESTS_CLIENT_FAKE_CHAT_SERVICE_H_

#include <grpcpp/server.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "perennial/v1/chat_service.grpc.pb.h"

namespace perennial {

// What one turn does: its events, then its end.
struct FakeTurn {
  std::vector<v1::TurnEvent> events;
  std::optional<grpc::Status> end = grpc::Status::OK;  // nothing: waits until the client cancels
};

// Events, ready for FakeTurn. Fields that tests do not look at have plausible values.
v1::TurnEvent QueuedEvent(int32_t position);
v1::TurnEvent StartedEvent(int64_t prompt_tokens);
v1::TurnEvent DeltaEvent(const std::string& text);
v1::TurnEvent EvictedEvent(int64_t first_turn, int64_t last_turn);
v1::TurnEvent FinishedEvent(v1::FinishReason reason = v1::FINISH_REASON_END_OF_TURN);

// As FinishedEvent, in a session that has forgotten 4,608 of 5,120 tokens, 7 of them in this turn.
v1::TurnEvent ForgetfulFinishedEvent();

// A status with an ErrorInfo of the domain "perennial".
grpc::Status PerennialError(grpc::StatusCode code, const std::string& reason, const std::string& message);

// Thread-safe. Its turns echo: "echo: MESSAGE", with a fixed account, unless `on_chat` says otherwise.
class FakeChatService final : public v1::ChatService::WithCallbackMethod_Chat<v1::ChatService::Service> {
 public:
  FakeChatService() = default;

  // What turns do from now on.
  void SetOnChat(std::function<FakeTurn(const v1::ChatRequest&)> on_chat) ABSL_LOCKS_EXCLUDED(mutex_);

  // The next `times` calls of GetStats are answered with `status`.
  void FailStats(int times, grpc::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  // ---- Record ----
  std::vector<v1::ChatRequest> chats() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::string> routes() const ABSL_LOCKS_EXCLUDED(mutex_);  // x-session-route of each call, "" if absent
  std::vector<v1::Session> sessions() const ABSL_LOCKS_EXCLUDED(mutex_);
  int cancelled_turns() const ABSL_LOCKS_EXCLUDED(mutex_);
  int stats_calls() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until that many turns have been cancelled; false after ten seconds.
  bool WaitForCancelledTurns(int count) const ABSL_LOCKS_EXCLUDED(mutex_);

  // ---- ChatService ----
  grpc::Status CreateSession(grpc::ServerContext* call, const v1::CreateSessionRequest* request,
                             v1::CreateSessionResponse* response) override;
  grpc::Status GetSession(grpc::ServerContext* call, const v1::GetSessionRequest* request,
                          v1::GetSessionResponse* response) override;
  grpc::Status ListSessions(grpc::ServerContext* call, const v1::ListSessionsRequest* request,
                            v1::ListSessionsResponse* response) override;  // two to a page
  grpc::Status UpdateSession(grpc::ServerContext* call, const v1::UpdateSessionRequest* request,
                             v1::UpdateSessionResponse* response) override;
  grpc::Status DeleteSession(grpc::ServerContext* call, const v1::DeleteSessionRequest* request,
                             v1::DeleteSessionResponse* response) override;
  grpc::Status GetModel(grpc::ServerContext* call, const v1::GetModelRequest* request,
                        v1::GetModelResponse* response) override;
  grpc::Status CountTokens(grpc::ServerContext* call, const v1::CountTokensRequest* request,
                           v1::CountTokensResponse* response) override;  // a token a byte
  grpc::Status GetStats(grpc::ServerContext* call, const v1::GetStatsRequest* request,
                        v1::GetStatsResponse* response) override;
  grpc::ServerWriteReactor<v1::ChatResponse>* Chat(grpc::CallbackServerContext* call,
                                                   const v1::ChatRequest* request) override;

 private:
  class TurnReactor;

  void NoteRoute(const grpc::ServerContextBase& call) ABSL_LOCKS_EXCLUDED(mutex_);
  void NoteCancelledTurn() ABSL_LOCKS_EXCLUDED(mutex_);

  mutable absl::Mutex mutex_;
  std::function<FakeTurn(const v1::ChatRequest&)> on_chat_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, v1::Session> sessions_ ABSL_GUARDED_BY(mutex_);
  int sessions_created_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<v1::ChatRequest> chats_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> routes_ ABSL_GUARDED_BY(mutex_);
  int cancelled_turns_ ABSL_GUARDED_BY(mutex_) = 0;
  int stats_calls_ ABSL_GUARDED_BY(mutex_) = 0;
  int stats_failures_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::Status stats_failure_ ABSL_GUARDED_BY(mutex_);
};

// A server with a FakeChatService on a port that the system chooses.
class FakeChatServer {
 public:
  FakeChatServer();
  ~FakeChatServer();

  const std::string& address() const { return address_; }  // "127.0.0.1:PORT"
  FakeChatService& service() { return service_; }

 private:
  FakeChatService service_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_CLIENT_FAKE_CHAT_SERVICE_H_
