// A ChatService for tests of clients: a fake with behaviour. Sessions, turns that outlive their calls, request ids,
// replay, notes, forks and rewinds work as the API says; what a turn says is a script.

#ifndef PERENNIAL_TESTS_CLIENT_FAKE_CHAT_SERVICE_H_
#define PERENNIAL_TESTS_CLIENT_FAKE_CHAT_SERVICE_H_

#include <grpcpp/server.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "perennial/v1/chat_service.grpc.pb.h"
#include "tests/client/fake_sessions.h"
#include "tests/client/fake_turn.h"
#include "tests/client/fake_turn_reactor.h"

namespace perennial {

// Thread-safe. Its turns echo: "echo: MESSAGE", with a fixed account, unless `on_chat` says otherwise.
class FakeChatService final : public v1::ChatService::WithCallbackMethod_Chat<
                                  v1::ChatService::WithCallbackMethod_Attach<v1::ChatService::Service>> {
 public:
  FakeChatService() = default;

  // ---- Behaviour, from now on ----

  void SetOnChat(std::function<FakeTurn(const v1::ChatRequest&)> on_chat) ABSL_LOCKS_EXCLUDED(mutex_);

  // For streams that begin later. The function is called on gRPC's threads.
  void SetFaults(FakeStreamFaults faults) ABSL_LOCKS_EXCLUDED(mutex_);

  // Called on gRPC's threads with every Chat request that arrives, before anything is done with it: a status refuses
  // it.
  void SetOnArrival(std::function<std::optional<grpc::Status>(const v1::ChatRequest&)> on_arrival)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Turns that begin later keep only so many events for replay. Default: all.
  void SetReplayEvents(size_t events) ABSL_LOCKS_EXCLUDED(mutex_);

  // Forgets all request ids of turns, as a server that was started anew.
  void ForgetTurns() ABSL_LOCKS_EXCLUDED(mutex_);

  // The next `times` calls of Attach are answered with `status`.
  void RefuseAttaches(int times, grpc::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  // The next `times` calls of GetStats are answered with `status`.
  void FailStats(int times, grpc::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  // The next `times` calls that take a request_id, but for Chat, do their work and are answered UNAVAILABLE.
  void LoseAnswers(int times) ABSL_LOCKS_EXCLUDED(mutex_);

  // CancelTurn is answered and does nothing.
  void IgnoreCancelTurn() ABSL_LOCKS_EXCLUDED(mutex_);

  void SetMaxNoteTokens(int32_t tokens) ABSL_LOCKS_EXCLUDED(mutex_);
  void KeepTranscripts() ABSL_LOCKS_EXCLUDED(mutex_);

  // An event for the session's newest turn, which must hang.
  void AppendEvent(const std::string& session_id, v1::TurnEvent event) ABSL_LOCKS_EXCLUDED(mutex_);

  // ---- Record ----

  std::vector<v1::ChatRequest> chats() const ABSL_LOCKS_EXCLUDED(mutex_);  // all that arrived
  std::vector<v1::AttachRequest> attaches() const ABSL_LOCKS_EXCLUDED(mutex_);
  int generated_turns() const ABSL_LOCKS_EXCLUDED(mutex_);              // turns that were admitted
  std::vector<std::string> routes() const ABSL_LOCKS_EXCLUDED(mutex_);  // x-session-route of each call, or ""
  std::vector<v1::Session> sessions() const ABSL_LOCKS_EXCLUDED(mutex_);
  int stats_calls() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until that many turns were admitted; false after ten seconds.
  bool WaitForTurns(int count) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until CancelTurn has been called that often; false after ten seconds.
  bool WaitForCancelCalls(int count) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Turns that ended because their client left or by CancelTurn.
  int cancelled_turns() const ABSL_LOCKS_EXCLUDED(mutex_);

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
  grpc::Status CancelTurn(grpc::ServerContext* call, const v1::CancelTurnRequest* request,
                          v1::CancelTurnResponse* response) override;
  grpc::Status AppendMessages(grpc::ServerContext* call, const v1::AppendMessagesRequest* request,
                              v1::AppendMessagesResponse* response) override;
  grpc::Status SetNotes(grpc::ServerContext* call, const v1::SetNotesRequest* request,
                        v1::SetNotesResponse* response) override;
  grpc::Status PinTurn(grpc::ServerContext* call, const v1::PinTurnRequest* request,
                       v1::PinTurnResponse* response) override;
  grpc::Status ForkSession(grpc::ServerContext* call, const v1::ForkSessionRequest* request,
                           v1::ForkSessionResponse* response) override;
  grpc::Status RewindSession(grpc::ServerContext* call, const v1::RewindSessionRequest* request,
                             v1::RewindSessionResponse* response) override;
  grpc::Status GetTranscript(grpc::ServerContext* call, const v1::GetTranscriptRequest* request,
                             v1::GetTranscriptResponse* response) override;
  grpc::Status GetModel(grpc::ServerContext* call, const v1::GetModelRequest* request,
                        v1::GetModelResponse* response) override;
  grpc::Status CountTokens(grpc::ServerContext* call, const v1::CountTokensRequest* request,
                           v1::CountTokensResponse* response) override;  // a token a byte
  grpc::Status GetStats(grpc::ServerContext* call, const v1::GetStatsRequest* request,
                        v1::GetStatsResponse* response) override;
  grpc::ServerWriteReactor<v1::ChatResponse>* Chat(grpc::CallbackServerContext* call,
                                                   const v1::ChatRequest* request) override;
  grpc::ServerWriteReactor<v1::AttachResponse>* Attach(grpc::CallbackServerContext* call,
                                                       const v1::AttachRequest* request) override;

 private:
  using RequestKey = std::pair<std::string, std::string>;  // session (empty: none), request id

  struct KnownTurn {
    std::string request;  // serialized
    std::shared_ptr<FakeTurnRecord> record;
  };
  struct KnownAnswer {
    std::string request;  // serialized
    std::string answer;
  };

  void NoteRoute(const grpc::ServerContextBase& call) ABSL_LOCKS_EXCLUDED(mutex_);
  void CancelRecord(FakeTurnRecord& record) ABSL_LOCKS_EXCLUDED(mutex_);

  // Admits the turn, or finds the one that the request made before.
  grpc::Status FindOrMakeTurn(const v1::ChatRequest& request, std::shared_ptr<FakeTurnRecord>& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status FindTurn(const v1::AttachRequest& request, std::shared_ptr<FakeTurnRecord>& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Runs a call that takes a request id, or answers as it did before.
  template <typename Request, typename Response>
  grpc::Status Once(const Request& request, Response* response,
                    grpc::Status (FakeSessions::*call)(const Request&, Response*)) ABSL_LOCKS_EXCLUDED(mutex_);

  mutable absl::Mutex mutex_;
  FakeSessions sessions_ ABSL_GUARDED_BY(mutex_);
  std::map<RequestKey, KnownTurn> known_turns_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, KnownAnswer> known_answers_ ABSL_GUARDED_BY(mutex_);

  std::function<FakeTurn(const v1::ChatRequest&)> on_chat_ ABSL_GUARDED_BY(mutex_);
  std::function<std::optional<grpc::Status>(const v1::ChatRequest&)> on_arrival_ ABSL_GUARDED_BY(mutex_);
  FakeStreamFaults faults_ ABSL_GUARDED_BY(mutex_);
  size_t replay_events_ ABSL_GUARDED_BY(mutex_) = 1'000'000;
  int refused_attaches_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::Status attach_refusal_ ABSL_GUARDED_BY(mutex_);
  int stats_failures_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::Status stats_failure_ ABSL_GUARDED_BY(mutex_);
  int lost_answers_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ignores_cancel_turn_ ABSL_GUARDED_BY(mutex_) = false;

  std::vector<v1::ChatRequest> chats_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::AttachRequest> attaches_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> routes_ ABSL_GUARDED_BY(mutex_);
  int generated_turns_ ABSL_GUARDED_BY(mutex_) = 0;
  int cancelled_turns_ ABSL_GUARDED_BY(mutex_) = 0;
  int cancel_calls_ ABSL_GUARDED_BY(mutex_) = 0;
  int stats_calls_ ABSL_GUARDED_BY(mutex_) = 0;
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
