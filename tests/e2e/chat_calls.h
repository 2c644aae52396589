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

// One call that streams a turn.
class TurnStream {
 public:
  virtual ~TurnStream() = default;

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
  // The number of the last event read; 0 before.
  int64_t sequence() const;
  // REQUIRES: the last event read is `finished`.
  const v1::Finished& finished() const { return events_.back().finished(); }
  // The value of a trailer; "" if there is none. After End.
  std::string Trailer(const std::string& name) const;

 protected:
  explicit TurnStream(std::chrono::milliseconds timeout);
  virtual bool Read(v1::TurnEvent& event) = 0;
  virtual grpc::Status Finish() = 0;

  grpc::ClientContext context_;

 private:
  std::string text_;
  std::vector<v1::TurnEvent> events_;
};

// One Chat call.
class ChatStream final : public TurnStream {
 public:
  ChatStream(v1::ChatService::Stub& stub, const v1::ChatRequest& request,
             std::chrono::milliseconds timeout = std::chrono::minutes(1));

 private:
  bool Read(v1::TurnEvent& event) override;
  grpc::Status Finish() override { return reader_->Finish(); }

  std::unique_ptr<grpc::ClientReader<v1::ChatResponse>> reader_;
};

// One Attach call.
class AttachStream final : public TurnStream {
 public:
  AttachStream(v1::ChatService::Stub& stub, const v1::AttachRequest& request,
               std::chrono::milliseconds timeout = std::chrono::minutes(1));

 private:
  bool Read(v1::TurnEvent& event) override;
  grpc::Status Finish() override { return reader_->Finish(); }

  std::unique_ptr<grpc::ClientReader<v1::AttachResponse>> reader_;
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
