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
#include "client/backoff.h"
#include "client/cancel_token.h"
#include "client/connection_observer.h"
#include "perennial/v1/chat_service.pb.h"

namespace perennial {

struct ChatClientOptions {
  // HOST:PORT, or a gRPC name with a scheme ("dns:///…", "unix:/run/perennial.sock").
  std::string server = "127.0.0.1:50051";

  // What a proxy hashes to find the server of a session: up to 64 of [A-Za-z0-9_-]. Empty: a random one. Set it to go
  // on with a session of another client behind such a proxy (Session.route).
  std::string route = "";

  // How long a call other than Chat, Attach and AppendMessages may take. A turn takes as long as it takes.
  absl::Duration call_timeout = absl::Seconds(10);

  // How long AppendMessages may take: the model reads the messages before it answers.
  absl::Duration append_timeout = absl::Minutes(10);

  // How long one attempt to connect may take: a port that accepts and then says nothing is noticed after this.
  absl::Duration connect_timeout = absl::Seconds(5);

  // Pings on a connection that is silent during a call, to notice a dead network. Servers close connections that ping
  // more often than they allow; Perennial's allow every 20 seconds.
  absl::Duration keepalive_interval = absl::Seconds(20);
  absl::Duration keepalive_timeout = absl::Seconds(10);

  // Every turn survives its connection: a Chat request without request_id gets a random one, and unless it says
  // otherwise ON_DISCONNECT_CONTINUE.
  bool turns_survive = false;

  // When and for how long a turn that can be found again is looked for.
  BackoffOptions reconnect = {};

  // A turn whose request could not even be sent, or was refused, waits likewise for the server. False: the caller is
  // told at once that there is none; a turn that may run is looked for all the same.
  bool waits_for_server = true;
};

// One connection to one server. Connects with the first call and again after a loss. Calls that change nothing
// (Get…, List…, Count…) or that carry a request_id (CreateSession, ForkSession, RewindSession, AppendMessages: a random
// one where the caller gives none) are tried again by gRPC for about a second when the server is UNAVAILABLE.
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
  absl::StatusOr<v1::Session> CreateSession(v1::SessionConfig config, const std::string& request_id = "");
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

  // ---- What a session keeps ----

  absl::StatusOr<v1::Session> ForkSession(v1::ForkSessionRequest request);
  absl::StatusOr<v1::Session> RewindSession(v1::RewindSessionRequest request);
  absl::StatusOr<v1::Notes> SetNotes(const v1::SetNotesRequest& request);
  absl::StatusOr<v1::Notes> PinTurn(const std::string& session_id, int64_t turn);
  absl::StatusOr<std::vector<v1::TranscriptTurn>> GetTranscript(const std::string& session_id);
  absl::StatusOr<v1::AppendMessagesResponse> AppendMessages(v1::AppendMessagesRequest request);

  // ---- Turns ----

  // Runs one turn. Calls `on_event` on this thread for every event in order, `finished` included, and returns it.
  // Blocks until the turn has ended. A request without session_id runs in a session that ends with the call; its route
  // becomes this client's if empty.
  //
  // With a request_id (given, or made because of on_disconnect CONTINUE or turns_survive) the turn outlives its
  // connection: when that breaks, the client finds it again (options.reconnect) and goes on with the first event that
  // was not read, so that no character is lost or doubled. `observer` is told. What cannot be gone on with ends with
  // the server's error, for example OUT_OF_RANGE (BEYOND_REPLAY), or with the last failure once patience is used up,
  // also that of a server that is full (QUEUE_FULL), which is no end but for the first request.
  //
  // `cancel` ends the turn. With a request_id by CancelTurn: the call then returns the turn's regular end
  // (FINISH_REASON_CANCELLED); without one, when cancelled twice, or while no server can be reached: CANCELLED.
  // `cancel` and `observer` may be null and must outlive the call.
  absl::StatusOr<v1::Finished> Chat(v1::ChatRequest request, absl::FunctionRef<void(const v1::TurnEvent&)> on_event,
                                    CancelToken* cancel = nullptr, ConnectionObserver* observer = nullptr);

  // Follows a turn to its end, likewise over broken connections; `state` comes first. QUEUE_FULL when it has all the
  // readers that it may. `cancel` leaves with CANCELLED; the turn goes on.
  absl::StatusOr<v1::Finished> Attach(const v1::AttachRequest& request,
                                      absl::FunctionRef<void(const v1::TurnEvent&)> on_event,
                                      CancelToken* cancel = nullptr, ConnectionObserver* observer = nullptr);

  // Returns how many turns will end because of it.
  absl::StatusOr<int32_t> CancelTurn(const v1::CancelTurnRequest& request);

  const std::string& server() const { return options_.server; }
  const std::string& route() const { return options_.route; }

 private:
  struct Stub;  // keeps gRPC's headers out of this one

  ChatClient(ChatClientOptions options, std::unique_ptr<Stub> stub);

  // Constant after construction.
  const ChatClientOptions options_;
  const std::unique_ptr<Stub> stub_;  // thread-safe by itself
};

// 22 random characters of [A-Za-z0-9]: 131 bits.
std::string RandomRoute();
std::string RandomRequestId();

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_CHAT_CLIENT_H_
