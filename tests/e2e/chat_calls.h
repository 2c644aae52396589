// The public API called as tests like it: blocking, over a real socket.

#ifndef PERENNIAL_TESTS_E2E_CHAT_CALLS_H_
#define PERENNIAL_TESTS_E2E_CHAT_CALLS_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>
#include <grpcpp/support/sync_stream.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "perennial/v1/chat_service.grpc.pb.h"

namespace perennial {

// A stub on a connection of its own. gRPC lets a stream's window grow with what the connection could carry, read or
// not; with `fixed_window` it stays at 64 KiB, so that a test that does not read is soon noticed.
std::unique_ptr<v1::ChatService::Stub> Connect(const std::string& address, bool fixed_window = false);

// One Chat call.
class ChatStream {
 public:
  ChatStream(v1::ChatService::Stub& stub, const v1::ChatRequest& request,
             std::chrono::milliseconds timeout = std::chrono::minutes(1));

  // The next event; none at the stream's end.
  std::optional<v1::TurnEvent> Next();

  // Reads on until an event of this kind has come. False at the stream's end.
  bool ReadUntil(v1::TurnEvent::EventCase kind);

  // Reads all that is left, and the status.
  grpc::Status End();

  void Cancel() { context_.TryCancel(); }

  // What has been read so far.
  const std::string& text() const { return text_; }
  const std::vector<v1::TurnEvent>& events() const { return events_; }
  // REQUIRES: the last event read is `finished`.
  const v1::Finished& finished() const { return events_.back().finished(); }
  // The value of a trailer; "" if there is none. After End.
  std::string Trailer(const std::string& name) const;

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::ChatResponse>> reader_;
  std::string text_;
  std::vector<v1::TurnEvent> events_;
};

v1::ChatRequest Say(const std::string& session_id, const std::string& message);

// A session made with `config`; aborts the test program if it cannot be.
v1::Session NewSession(v1::ChatService::Stub& stub, const v1::SessionConfig& config = {});

grpc::Status GetSession(v1::ChatService::Stub& stub, const std::string& session_id, v1::Session* session);

v1::Stats GetStats(v1::ChatService::Stub& stub);

// ErrorInfo.reason, or "" if the status has none; likewise below.
std::string ReasonOf(const grpc::Status& status);
std::optional<google::rpc::BadRequest> BadRequestOf(const grpc::Status& status);
std::optional<google::rpc::RetryInfo> RetryInfoOf(const grpc::Status& status);

}  // namespace perennial

#endif  // PERENNIAL_TESTS_E2E_CHAT_CALLS_H_
