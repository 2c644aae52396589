#include "tests/client/fake_chat_service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace perennial {
namespace {

FakeTurn Echo(const v1::ChatRequest& request) {
  return {.events = {StartedEvent(20), DeltaEvent("echo: "), DeltaEvent(request.message()), FinishedEvent()}};
}

grpc::Status RequestIdReused() {
  return PerennialError(grpc::StatusCode::ALREADY_EXISTS, "REQUEST_ID_REUSED",
                        "request_id: was used for another request");
}

}  // namespace

// ---- Behaviour and record ----

void FakeChatService::SetOnChat(std::function<FakeTurn(const v1::ChatRequest&)> on_chat) {
  absl::MutexLock lock(&mutex_);
  on_chat_ = std::move(on_chat);
}

void FakeChatService::SetFaults(FakeStreamFaults faults) {
  absl::MutexLock lock(&mutex_);
  faults_ = std::move(faults);
}

void FakeChatService::SetOnArrival(std::function<std::optional<grpc::Status>(const v1::ChatRequest&)> on_arrival) {
  absl::MutexLock lock(&mutex_);
  on_arrival_ = std::move(on_arrival);
}

void FakeChatService::ForgetTurns() {
  absl::MutexLock lock(&mutex_);
  known_turns_.clear();
}

void FakeChatService::SetReplayEvents(size_t events) {
  absl::MutexLock lock(&mutex_);
  replay_events_ = events;
}

void FakeChatService::RefuseAttaches(int times, grpc::Status status) {
  absl::MutexLock lock(&mutex_);
  refused_attaches_ = times;
  attach_refusal_ = std::move(status);
}

void FakeChatService::FailStats(int times, grpc::Status status) {
  absl::MutexLock lock(&mutex_);
  stats_failures_ = times;
  stats_failure_ = std::move(status);
}

void FakeChatService::LoseAnswers(int times) {
  absl::MutexLock lock(&mutex_);
  lost_answers_ = times;
}

void FakeChatService::IgnoreCancelTurn() {
  absl::MutexLock lock(&mutex_);
  ignores_cancel_turn_ = true;
}

void FakeChatService::SetMaxNoteTokens(int32_t tokens) {
  absl::MutexLock lock(&mutex_);
  sessions_.set_max_note_tokens(tokens);
}

void FakeChatService::KeepTranscripts() {
  absl::MutexLock lock(&mutex_);
  sessions_.set_keeps_transcript(true);
}

void FakeChatService::AppendEvent(const std::string& session_id, v1::TurnEvent event) {
  absl::MutexLock lock(&mutex_);
  FakeSession* session = sessions_.Find(session_id);
  if (session != nullptr && !session->records.empty()) session->records.rbegin()->second->Append(std::move(event));
}

std::vector<v1::ChatRequest> FakeChatService::chats() const {
  absl::MutexLock lock(&mutex_);
  return chats_;
}

std::vector<v1::AttachRequest> FakeChatService::attaches() const {
  absl::MutexLock lock(&mutex_);
  return attaches_;
}

int FakeChatService::generated_turns() const {
  absl::MutexLock lock(&mutex_);
  return generated_turns_;
}

std::vector<std::string> FakeChatService::routes() const {
  absl::MutexLock lock(&mutex_);
  return routes_;
}

std::vector<v1::Session> FakeChatService::sessions() const {
  absl::MutexLock lock(&mutex_);
  return sessions_.All();
}

int FakeChatService::stats_calls() const {
  absl::MutexLock lock(&mutex_);
  return stats_calls_;
}

bool FakeChatService::WaitForTurns(int count) const {
  absl::MutexLock lock(&mutex_);
  const auto reached = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return generated_turns_ >= count; };
  return mutex_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(10));
}

bool FakeChatService::WaitForCancelCalls(int count) const {
  absl::MutexLock lock(&mutex_);
  const auto reached = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return cancel_calls_ >= count; };
  return mutex_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(10));
}

int FakeChatService::cancelled_turns() const {
  absl::MutexLock lock(&mutex_);
  return cancelled_turns_;
}

bool FakeChatService::WaitForCancelledTurns(int count) const {
  absl::MutexLock lock(&mutex_);
  const auto reached = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return cancelled_turns_ >= count; };
  return mutex_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(10));
}

void FakeChatService::NoteRoute(const grpc::ServerContextBase& call) {
  const auto found = call.client_metadata().find("x-session-route");
  absl::MutexLock lock(&mutex_);
  routes_.push_back(found == call.client_metadata().end() ? ""
                                                          : std::string(found->second.data(), found->second.size()));
}

// ---- Turns ----

void FakeChatService::CancelRecord(FakeTurnRecord& record) {
  if (!record.Cancel()) return;
  absl::MutexLock lock(&mutex_);
  ++cancelled_turns_;
}

grpc::Status FakeChatService::FindOrMakeTurn(const v1::ChatRequest& request, std::shared_ptr<FakeTurnRecord>& record) {
  FakeSession* session = sessions_.Find(request.session_id());
  if (session == nullptr && !request.session_id().empty()) return SessionNotFound(request.session_id());
  const RequestKey key(request.session_id(), request.request_id());
  if (!request.request_id().empty()) {
    if (const auto known = known_turns_.find(key); known != known_turns_.end()) {
      if (known->second.request != request.SerializeAsString()) return RequestIdReused();
      record = known->second.record;
      return grpc::Status::OK;
    }
  } else if (request.on_disconnect() == v1::ON_DISCONNECT_CONTINUE) {
    return PerennialError(grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                          "request_id: is needed by ON_DISCONNECT_CONTINUE");
  }
  if (session != nullptr) {
    if (grpc::Status status = FakeSessions::CheckExpectedTurn(request, *session); !status.ok()) return status;
  }
  const int64_t number = session == nullptr ? 1 : session->session.last_turn() + 1;
  record = std::make_shared<FakeTurnRecord>(session == nullptr ? "ephemeral" : request.session_id(), number,
                                            on_chat_ ? on_chat_(request) : Echo(request), replay_events_);
  ++generated_turns_;
  if (!request.request_id().empty()) known_turns_[key] = {.request = request.SerializeAsString(), .record = record};
  if (session != nullptr) {
    session->session.set_last_turn(number);
    session->records[number] = record;
    v1::Message message;
    message.set_role(v1::ROLE_USER);
    message.set_text(request.message());
    session->stream[number] = {.messages = {message}, .record = record};
  }
  return grpc::Status::OK;
}

grpc::Status FakeChatService::FindTurn(const v1::AttachRequest& request, std::shared_ptr<FakeTurnRecord>& record) {
  FakeSession* session = sessions_.Find(request.session_id());
  if (session == nullptr && !request.session_id().empty()) return SessionNotFound(request.session_id());
  if (!request.request_id().empty()) {
    const auto known = known_turns_.find({request.session_id(), request.request_id()});
    if (known != known_turns_.end()) record = known->second.record;
  } else if (session != nullptr && session->records.count(request.turn()) > 0) {
    record = session->records[request.turn()];
  }
  if (record == nullptr) {
    return PerennialError(grpc::StatusCode::OUT_OF_RANGE, "BEYOND_REPLAY", "this turn is not kept");
  }
  if (!request.from_oldest() && std::max<int64_t>(1, request.from_sequence()) < record->oldest_sequence()) {
    return PerennialError(grpc::StatusCode::OUT_OF_RANGE, "BEYOND_REPLAY",
                          absl::StrCat("from_sequence: the oldest event that is kept is ", record->oldest_sequence()));
  }
  return grpc::Status::OK;
}

grpc::ServerWriteReactor<v1::ChatResponse>* FakeChatService::Chat(grpc::CallbackServerContext* call,
                                                                  const v1::ChatRequest* request) {
  NoteRoute(*call);
  std::shared_ptr<FakeTurnRecord> record;
  FakeStreamFaults faults;
  std::function<std::optional<grpc::Status>(const v1::ChatRequest&)> on_arrival;
  {
    absl::MutexLock lock(&mutex_);
    chats_.push_back(*request);
    on_arrival = on_arrival_;
  }
  const auto refused = on_arrival ? on_arrival(*request) : std::nullopt;
  if (refused.has_value()) return new FakeRefusal<v1::ChatResponse>(*refused);
  {
    absl::MutexLock lock(&mutex_);
    const grpc::Status status = FindOrMakeTurn(*request, record);
    if (!status.ok()) return new FakeRefusal<v1::ChatResponse>(status);
    faults = faults_;
  }
  const bool goes_on = request->on_disconnect() == v1::ON_DISCONNECT_CONTINUE;
  return new FakeTurnReactor<v1::ChatResponse>(record, 0, std::nullopt, std::move(faults), [this, record, goes_on] {
    if (!goes_on) CancelRecord(*record);
  });
}

grpc::ServerWriteReactor<v1::AttachResponse>* FakeChatService::Attach(grpc::CallbackServerContext* call,
                                                                      const v1::AttachRequest* request) {
  NoteRoute(*call);
  std::shared_ptr<FakeTurnRecord> record;
  FakeStreamFaults faults;
  {
    absl::MutexLock lock(&mutex_);
    attaches_.push_back(*request);
    if (refused_attaches_ > 0) {
      --refused_attaches_;
      return new FakeRefusal<v1::AttachResponse>(attach_refusal_);
    }
    const grpc::Status status = FindTurn(*request, record);
    if (!status.ok()) return new FakeRefusal<v1::AttachResponse>(status);
    faults = faults_;
  }
  const int64_t from = std::max<int64_t>(1, request->from_sequence());
  const int64_t first = request->from_oldest() ? std::max(from, record->oldest_sequence()) : from;
  return new FakeTurnReactor<v1::AttachResponse>(record, first - 1, record->State(), std::move(faults), [] {});
}

grpc::Status FakeChatService::CancelTurn(grpc::ServerContext* call, const v1::CancelTurnRequest* request,
                                         v1::CancelTurnResponse* response) {
  NoteRoute(*call);
  std::vector<std::shared_ptr<FakeTurnRecord>> records;
  {
    absl::MutexLock lock(&mutex_);
    ++cancel_calls_;
    if (ignores_cancel_turn_) return grpc::Status::OK;
    const auto known = known_turns_.find({request->session_id(), request->request_id()});
    FakeSession* session = sessions_.Find(request->session_id());
    if (!request->request_id().empty()) {
      if (known != known_turns_.end()) records.push_back(known->second.record);
    } else if (session != nullptr) {
      for (const auto& [number, record] : session->records) {
        if (request->turn() == 0 || request->turn() == number) records.push_back(record);
      }
    } else {
      return SessionNotFound(request->session_id());
    }
  }
  for (const auto& record : records) {
    if (record->ended()) continue;
    CancelRecord(*record);
    response->set_cancelled_turns(response->cancelled_turns() + 1);
  }
  return grpc::Status::OK;
}

// ---- Sessions ----

template <typename Request, typename Response>
grpc::Status FakeChatService::Once(const Request& request, Response* response,
                                   grpc::Status (FakeSessions::*call)(const Request&, Response*)) {
  absl::MutexLock lock(&mutex_);
  const auto known = known_answers_.find(request.request_id());
  if (!request.request_id().empty() && known != known_answers_.end()) {
    if (known->second.request != request.SerializeAsString()) return RequestIdReused();
    response->ParseFromString(known->second.answer);
  } else {
    if (grpc::Status status = (sessions_.*call)(request, response); !status.ok()) return status;
    known_answers_[request.request_id()] = {.request = request.SerializeAsString(),
                                            .answer = response->SerializeAsString()};
  }
  if (lost_answers_ == 0) return grpc::Status::OK;
  --lost_answers_;
  return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the answer is lost");
}

grpc::Status FakeChatService::CreateSession(grpc::ServerContext* call, const v1::CreateSessionRequest* request,
                                            v1::CreateSessionResponse* response) {
  NoteRoute(*call);
  return Once(*request, response, &FakeSessions::Create);
}

grpc::Status FakeChatService::AppendMessages(grpc::ServerContext* call, const v1::AppendMessagesRequest* request,
                                             v1::AppendMessagesResponse* response) {
  NoteRoute(*call);
  return Once(*request, response, &FakeSessions::Append);
}

grpc::Status FakeChatService::ForkSession(grpc::ServerContext* call, const v1::ForkSessionRequest* request,
                                          v1::ForkSessionResponse* response) {
  NoteRoute(*call);
  return Once(*request, response, &FakeSessions::Fork);
}

grpc::Status FakeChatService::RewindSession(grpc::ServerContext* call, const v1::RewindSessionRequest* request,
                                            v1::RewindSessionResponse* response) {
  NoteRoute(*call);
  return Once(*request, response, &FakeSessions::Rewind);
}

grpc::Status FakeChatService::GetSession(grpc::ServerContext* call, const v1::GetSessionRequest* request,
                                         v1::GetSessionResponse* response) {
  NoteRoute(*call);
  absl::MutexLock lock(&mutex_);
  return sessions_.Get(*request, response);
}

grpc::Status FakeChatService::ListSessions(grpc::ServerContext* call, const v1::ListSessionsRequest* request,
                                           v1::ListSessionsResponse* response) {
  NoteRoute(*call);
  absl::MutexLock lock(&mutex_);
  return sessions_.List(*request, response);
}

grpc::Status FakeChatService::UpdateSession(grpc::ServerContext* call, const v1::UpdateSessionRequest* request,
                                            v1::UpdateSessionResponse* response) {
  NoteRoute(*call);
  absl::MutexLock lock(&mutex_);
  return sessions_.Update(*request, response);
}

grpc::Status FakeChatService::DeleteSession(grpc::ServerContext* call, const v1::DeleteSessionRequest* request,
                                            v1::DeleteSessionResponse* response) {
  NoteRoute(*call);
  absl::MutexLock lock(&mutex_);
  return sessions_.Delete(*request, response);
}

grpc::Status FakeChatService::SetNotes(grpc::ServerContext* call, const v1::SetNotesRequest* request,
                                       v1::SetNotesResponse* response) {
  NoteRoute(*call);
  absl::MutexLock lock(&mutex_);
  return sessions_.SetNotes(*request, response);
}

grpc::Status FakeChatService::PinTurn(grpc::ServerContext* call, const v1::PinTurnRequest* request,
                                      v1::PinTurnResponse* response) {
  NoteRoute(*call);
  absl::MutexLock lock(&mutex_);
  return sessions_.PinTurn(*request, response);
}

grpc::Status FakeChatService::GetTranscript(grpc::ServerContext* call, const v1::GetTranscriptRequest* request,
                                            v1::GetTranscriptResponse* response) {
  NoteRoute(*call);
  absl::MutexLock lock(&mutex_);
  return sessions_.Transcript(*request, response);
}

}  // namespace perennial
