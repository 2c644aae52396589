#include "tests/client/fake_sessions.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace perennial {
namespace {

grpc::Status InvalidField(const std::string& message) {
  return PerennialError(grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", message);
}

grpc::Status TurnInProgress() {
  return PerennialError(grpc::StatusCode::FAILED_PRECONDITION, "TURN_IN_PROGRESS", "a turn of this session runs");
}

grpc::Status BeyondHorizon(int64_t turn, int64_t horizon_turn) {
  return PerennialError(
      grpc::StatusCode::OUT_OF_RANGE, "BEYOND_HORIZON",
      absl::StrCat("the end of turn ", turn, " has left the window, which begins in turn ", horizon_turn));
}

// The texts of a turn, the reply included.
std::vector<v1::Message> MessagesOf(const FakeStreamTurn& turn) {
  std::vector<v1::Message> messages = turn.messages;
  if (turn.record != nullptr) {
    messages.emplace_back();
    messages.back().set_role(v1::ROLE_ASSISTANT);
    messages.back().set_text(turn.record->Text());
  }
  return messages;
}

int32_t TokensOf(const FakeStreamTurn& turn) {
  size_t bytes = 0;
  for (const v1::Message& message : MessagesOf(turn)) bytes += message.text().size();
  return static_cast<int32_t>(bytes);
}

}  // namespace

grpc::Status SessionNotFound(const std::string& id) {
  return PerennialError(grpc::StatusCode::NOT_FOUND, "SESSION_NOT_FOUND",
                        absl::StrCat("session '", id, "' is unknown"));
}

bool FakeSession::busy() const {
  return std::any_of(records.begin(), records.end(), [](const auto& record) { return !record.second->ended(); });
}

v1::Session FakeSession::Now() const {
  v1::Session now = session;
  now.set_state(busy() ? v1::SESSION_STATE_RUNNING : v1::SESSION_STATE_IDLE);
  now.set_turns(static_cast<int64_t>(stream.size()));
  for (const auto& [number, turn] : stream) {
    if (turn.record == nullptr) continue;
    if (const auto memory = turn.record->Memory()) *now.mutable_memory() = *memory;
  }
  now.mutable_memory()->set_note_tokens(now.notes().tokens());
  return now;
}

FakeSession* FakeSessions::Find(const std::string& id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : &found->second;
}

std::vector<v1::Session> FakeSessions::All() const {
  std::vector<v1::Session> all;
  for (const auto& [id, session] : sessions_) all.push_back(session.Now());
  return all;
}

std::string FakeSessions::NewId() { return absl::StrFormat("%032x", ++created_); }

grpc::Status FakeSessions::StaleTurn(int64_t expected, int64_t last) {
  return PerennialError(grpc::StatusCode::ABORTED, "STALE_TURN",
                        absl::StrCat("expected_turn: the session's last turn is ", last, ", not ", expected));
}

grpc::Status FakeSessions::Create(const v1::CreateSessionRequest& request, v1::CreateSessionResponse* response) {
  const v1::SessionConfig& config = request.config();
  if (config.note_tokens() > max_note_tokens_) {
    return InvalidField(absl::StrCat("config.note_tokens: ", config.note_tokens(), " is more than max_note_tokens, ",
                                     max_note_tokens_));
  }
  v1::Session session;
  session.set_session_id(NewId());
  session.set_route(config.route());
  *session.mutable_labels() = config.labels();
  *session.mutable_idle_timeout() = config.idle_timeout();
  session.mutable_memory()->set_sink_tokens(4);
  session.mutable_memory()->set_window_tokens(508);
  session.mutable_notes()->set_budget_tokens(config.note_tokens());
  sessions_[session.session_id()] = {.session = session, .stream = {}, .records = {}};
  *response->mutable_session() = sessions_[session.session_id()].Now();
  return grpc::Status::OK;
}

grpc::Status FakeSessions::Get(const v1::GetSessionRequest& request, v1::GetSessionResponse* response) {
  const FakeSession* session = Find(request.session_id());
  if (session == nullptr) return SessionNotFound(request.session_id());
  *response->mutable_session() = session->Now();
  return grpc::Status::OK;
}

grpc::Status FakeSessions::List(const v1::ListSessionsRequest& request, v1::ListSessionsResponse* response) {
  for (auto it = sessions_.upper_bound(request.page_token()); it != sessions_.end(); ++it) {
    const v1::Session session = it->second.Now();
    if (request.state() != v1::SESSION_STATE_UNSPECIFIED && request.state() != session.state()) continue;
    if (response->sessions_size() == 2) {
      response->set_next_page_token(response->sessions(1).session_id());
      break;
    }
    *response->add_sessions() = session;
  }
  return grpc::Status::OK;
}

grpc::Status FakeSessions::Update(const v1::UpdateSessionRequest& request, v1::UpdateSessionResponse* response) {
  FakeSession* session = Find(request.session_id());
  if (session == nullptr) return SessionNotFound(request.session_id());
  if (request.has_labels()) *session->session.mutable_labels() = request.labels().labels();
  *response->mutable_session() = session->Now();
  return grpc::Status::OK;
}

grpc::Status FakeSessions::Delete(const v1::DeleteSessionRequest& request, v1::DeleteSessionResponse* response) {
  FakeSession* session = Find(request.session_id());
  if (session == nullptr) return SessionNotFound(request.session_id());
  *response->mutable_session() = session->Now();
  for (const auto& [number, record] : session->records) record->Cancel();
  sessions_.erase(request.session_id());
  return grpc::Status::OK;
}

grpc::Status FakeSessions::Fork(const v1::ForkSessionRequest& request, v1::ForkSessionResponse* response) {
  const FakeSession* parent = Find(request.session_id());
  if (parent == nullptr) return SessionNotFound(request.session_id());
  if (parent->busy()) return TurnInProgress();
  FakeSession fork = *parent;
  fork.session.set_session_id(NewId());
  if (request.has_labels()) *fork.session.mutable_labels() = request.labels().labels();
  *response->mutable_session() = fork.Now();
  sessions_[fork.session.session_id()] = std::move(fork);
  return grpc::Status::OK;
}

grpc::Status FakeSessions::Rewind(const v1::RewindSessionRequest& request, v1::RewindSessionResponse* response) {
  FakeSession* session = Find(request.session_id());
  if (session == nullptr) return SessionNotFound(request.session_id());
  if (session->busy()) return TurnInProgress();
  if (grpc::Status status = CheckExpectedTurn(request, *session); !status.ok()) return status;
  const int64_t last = session->session.last_turn();
  if (request.to_turn() < 0 || request.to_turn() > last) {
    return InvalidField(absl::StrCat("to_turn: ", request.to_turn(), " is not 0 to ", last));
  }
  const v1::SessionMemory memory = session->Now().memory();
  if (memory.forgotten_tokens() > 0 && request.to_turn() < memory.horizon_turn()) {
    return BeyondHorizon(request.to_turn(), memory.horizon_turn());
  }
  session->stream.erase(session->stream.upper_bound(request.to_turn()), session->stream.end());
  *response->mutable_session() = session->Now();
  return grpc::Status::OK;
}

grpc::Status FakeSessions::SetNotes(const v1::SetNotesRequest& request, v1::SetNotesResponse* response) {
  FakeSession* session = Find(request.session_id());
  if (session == nullptr) return SessionNotFound(request.session_id());
  v1::Notes notes = session->session.notes();
  if (!request.keep_pinned_turns()) notes.clear_pinned_turns();
  size_t tokens = request.text().size();
  for (const int64_t turn : notes.pinned_turns()) tokens += static_cast<size_t>(TokensOf(session->stream[turn]));
  if (tokens > static_cast<size_t>(notes.budget_tokens())) {
    return InvalidField(
        absl::StrCat("text: ", tokens, " tokens are more than the session's note budget, ", notes.budget_tokens()));
  }
  notes.set_text(request.text());
  notes.set_tokens(static_cast<int32_t>(tokens));
  *session->session.mutable_notes() = notes;
  *response->mutable_notes() = notes;
  return grpc::Status::OK;
}

grpc::Status FakeSessions::PinTurn(const v1::PinTurnRequest& request, v1::PinTurnResponse* response) {
  FakeSession* session = Find(request.session_id());
  if (session == nullptr) return SessionNotFound(request.session_id());
  const auto turn = session->stream.find(request.turn());
  if (turn == session->stream.end()) return InvalidField(absl::StrCat("turn: there is no turn ", request.turn()));
  const v1::SessionMemory memory = session->Now().memory();
  if (memory.forgotten_tokens() > 0 && request.turn() <= memory.horizon_turn()) {
    return BeyondHorizon(request.turn(), memory.horizon_turn());
  }
  v1::Notes& notes = *session->session.mutable_notes();
  const int32_t tokens = notes.tokens() + TokensOf(turn->second);
  if (tokens > notes.budget_tokens()) {
    return InvalidField(
        absl::StrCat("turn: ", tokens, " tokens are more than the session's note budget, ", notes.budget_tokens()));
  }
  notes.add_pinned_turns(request.turn());
  notes.set_tokens(tokens);
  *response->mutable_notes() = notes;
  return grpc::Status::OK;
}

grpc::Status FakeSessions::Append(const v1::AppendMessagesRequest& request, v1::AppendMessagesResponse* response) {
  FakeSession* session = Find(request.session_id());
  if (session == nullptr) return SessionNotFound(request.session_id());
  if (grpc::Status status = CheckExpectedTurn(request, *session); !status.ok()) return status;
  const int64_t number = session->session.last_turn() + 1;
  session->session.set_last_turn(number);
  FakeStreamTurn& turn = session->stream[number];
  turn.messages.assign(request.messages().begin(), request.messages().end());
  response->set_turn(number);
  response->mutable_usage()->set_prompt_tokens(TokensOf(turn));
  *response->mutable_session() = session->Now();
  return grpc::Status::OK;
}

grpc::Status FakeSessions::Transcript(const v1::GetTranscriptRequest& request, v1::GetTranscriptResponse* response) {
  FakeSession* session = Find(request.session_id());
  if (session == nullptr) return SessionNotFound(request.session_id());
  if (!keeps_transcript_) {
    return PerennialError(grpc::StatusCode::UNIMPLEMENTED, "NOT_SUPPORTED", "this server keeps no transcripts");
  }
  const v1::SessionMemory memory = session->Now().memory();
  for (const auto& [number, turn] : session->stream) {
    v1::TranscriptTurn& kept = *response->add_turns();
    kept.set_turn(number);
    for (const v1::Message& message : MessagesOf(turn)) *kept.add_messages() = message;
    kept.set_forgotten(memory.forgotten_tokens() > 0 && number <= memory.horizon_turn());
  }
  return grpc::Status::OK;
}

}  // namespace perennial
