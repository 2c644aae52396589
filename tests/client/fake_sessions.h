// Sessions of the FakeChatService: what they keep, and what notes, forks and rewinds do to it. A token is a byte.

#ifndef PERENNIAL_TESTS_CLIENT_FAKE_SESSIONS_H_
#define PERENNIAL_TESTS_CLIENT_FAKE_SESSIONS_H_

#include <grpcpp/support/status.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "perennial/v1/chat_service.pb.h"
#include "tests/client/fake_turn.h"

namespace perennial {

// A turn in a session's stream.
struct FakeStreamTurn {
  std::vector<v1::Message> messages;       // without the reply of `record`
  std::shared_ptr<FakeTurnRecord> record;  // null: appended messages
};

struct FakeSession {
  v1::Session session;                       // state, turns and memory are computed when it is asked for
  std::map<int64_t, FakeStreamTurn> stream;  // by number; undone and rewound turns are missing
  std::map<int64_t, std::shared_ptr<FakeTurnRecord>> records;  // every turn that was admitted

  bool busy() const;
  v1::Session Now() const;
};

// Guarded by its owner. Methods named like calls are those calls, without metadata and request ids.
class FakeSessions {
 public:
  // Null if unknown.
  FakeSession* Find(const std::string& id);
  std::vector<v1::Session> All() const;

  void set_max_note_tokens(int32_t tokens) { max_note_tokens_ = tokens; }
  int32_t max_note_tokens() const { return max_note_tokens_; }
  void set_keeps_transcript(bool keeps) { keeps_transcript_ = keeps; }
  bool keeps_transcript() const { return keeps_transcript_; }

  grpc::Status Create(const v1::CreateSessionRequest& request, v1::CreateSessionResponse* response);
  grpc::Status Get(const v1::GetSessionRequest& request, v1::GetSessionResponse* response);
  grpc::Status List(const v1::ListSessionsRequest& request, v1::ListSessionsResponse* response);  // two to a page
  grpc::Status Update(const v1::UpdateSessionRequest& request, v1::UpdateSessionResponse* response);
  grpc::Status Delete(const v1::DeleteSessionRequest& request, v1::DeleteSessionResponse* response);
  grpc::Status Fork(const v1::ForkSessionRequest& request, v1::ForkSessionResponse* response);
  grpc::Status Rewind(const v1::RewindSessionRequest& request, v1::RewindSessionResponse* response);
  grpc::Status SetNotes(const v1::SetNotesRequest& request, v1::SetNotesResponse* response);
  grpc::Status PinTurn(const v1::PinTurnRequest& request, v1::PinTurnResponse* response);
  grpc::Status Append(const v1::AppendMessagesRequest& request, v1::AppendMessagesResponse* response);
  grpc::Status Transcript(const v1::GetTranscriptRequest& request, v1::GetTranscriptResponse* response);

  // ABORTED (STALE_TURN) unless the request expects none or this last turn.
  template <typename Request>
  static grpc::Status CheckExpectedTurn(const Request& request, const FakeSession& session) {
    if (!request.has_expected_turn() || request.expected_turn() == session.session.last_turn()) return grpc::Status::OK;
    return StaleTurn(request.expected_turn(), session.session.last_turn());
  }

 private:
  static grpc::Status StaleTurn(int64_t expected, int64_t last);
  std::string NewId();

  std::map<std::string, FakeSession> sessions_;
  int created_ = 0;
  int32_t max_note_tokens_ = 256;
  bool keeps_transcript_ = false;
};

grpc::Status SessionNotFound(const std::string& id);

}  // namespace perennial

#endif  // PERENNIAL_TESTS_CLIENT_FAKE_SESSIONS_H_
