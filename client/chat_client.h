// The typed client: perennial.v1.ChatService as C++ calls that return values or an absl::Status.
//
//   absl::StatusOr<std::unique_ptr<ChatClient>> client = ChatClient::Create({.server = "127.0.0.1:50051"});
//   v1::ChatRequest request;
//   request.set_message("Hello");
//   absl::StatusOr<v1::Finished> end = (*client)->Chat(request, [](const v1::TurnEvent& event) {
//     if (event.has_delta()) std::cout << event.delta().text() << std::flush;
//   });
//
// Errors are the server's (design table: code and ErrorInfo.reason) or gRPC's own, with the details as payloads;
// error_text.h reads them.

#ifndef PERENNIAL_CLIENT_CHAT_CLIENT_H_
#define PERENNIAL_CLIENT_CHAT_CLIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cancel_token.h"
#include "perennial/v1/chat_service.pb.h"

namespace perennial {

struct ChatClientOptions {
  // HOST:PORT, or a gRPC name with a scheme ("dns:///…", "unix:/run/perennial.sock").
  std::string server = "127.0.0.1:50051";

  // What a proxy hashes to find the server of a session: up to 64 of [A-Za-z0-9_-]. Empty: a random one. Set it to go
  // on with a session of another client behind such a proxy (Session.route).
  std::string route = "";

  // How long a call other than Chat may take. A turn takes as long as it takes.
  absl::Duration call_timeout = absl::Seconds(10);

  // How long one attempt to connect may take: a port that accepts and then says nothing is noticed after this.
  absl::Duration connect_timeout = absl::Seconds(5);

  // Pings on a connection that is silent during a call, to notice a dead network. Servers close connections that ping
  // more often than they allow; gRPC's default is every 5 minutes.
  absl::Duration keepalive_interval = absl::Minutes(5);
  absl::Duration keepalive_timeout = absl::Seconds(20);
};

// One connection to one server. Connects with the first call and again after a loss. Calls that change nothing
// (Get…, List…, Count…) are tried again by gRPC for about a second when the server is UNAVAILABLE.
//
// Thread-safe: all methods may be called at the same time from different threads.
class ChatClient {
 public:
  // INVALID_ARGUMENT when an option is malformed. Does not connect.
  static absl::StatusOr<std::unique_ptr<ChatClient>> Create(ChatClientOptions options);

  ~ChatClient();
  ChatClient(const ChatClient&) = delete;
  ChatClient& operator=(const ChatClient&) = delete;

  // A session that lasts until it is deleted or idle for too long. An empty config.route becomes this client's route.
  absl::StatusOr<v1::Session> CreateSession(v1::SessionConfig config);
  absl::StatusOr<v1::Session> GetSession(const std::string& session_id);

  // All sessions in `state` (SESSION_STATE_UNSPECIFIED: in any), ordered by id, collected page by page.
  absl::StatusOr<std::vector<v1::Session>> ListSessions(v1::SessionState state = v1::SESSION_STATE_UNSPECIFIED);

  // Both return the session as it is afterwards; Delete its last state.
  absl::StatusOr<v1::Session> UpdateSession(const v1::UpdateSessionRequest& request);
  absl::StatusOr<v1::Session> DeleteSession(const std::string& session_id);

  absl::StatusOr<v1::GetModelResponse> GetModel();
  absl::StatusOr<v1::Stats> GetStats();

  // Number of tokens.
  absl::StatusOr<int64_t> CountTokens(const v1::CountTokensRequest& request);

  // Runs one turn. Calls `on_event` on this thread for every event in order, `finished` included, and returns it.
  // Blocks until the turn has ended; `cancel` (may be null, must outlive the call) ends it with CANCELLED. A request
  // without session_id runs in a session that ends with the call; its route becomes this client's if empty.
  absl::StatusOr<v1::Finished> Chat(v1::ChatRequest request, absl::FunctionRef<void(const v1::TurnEvent&)> on_event,
                                    CancelToken* cancel = nullptr);

  const std::string& server() const { return options_.server; }
  const std::string& route() const { return options_.route; }

 private:
  struct Stub;  // keeps gRPC's headers out of this one

  ChatClient(ChatClientOptions options, std::unique_ptr<Stub> stub);

  // Constant after construction.
  const ChatClientOptions options_;
  const std::unique_ptr<Stub> stub_;  // thread-safe by itself
};

// 22 random characters of [A-Za-z0-9].
std::string RandomRoute();

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_CHAT_CLIENT_H_
