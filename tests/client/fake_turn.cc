#include "tests/client/fake_turn.h"

#include <algorithm>
#include <utility>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace perennial {

v1::TurnEvent QueuedEvent(int32_t position) {
  v1::TurnEvent event;
  event.mutable_queued()->set_position(position);
  return event;
}

v1::TurnEvent StartedEvent(int64_t prompt_tokens) {
  v1::TurnEvent event;
  event.mutable_started()->set_prompt_tokens(prompt_tokens);
  return event;
}

v1::TurnEvent DeltaEvent(const std::string& text) {
  v1::TurnEvent event;
  event.mutable_delta()->set_text(text);
  event.mutable_delta()->set_tokens(1);
  return event;
}

v1::TurnEvent EvictedEvent(int64_t first_turn, int64_t last_turn) {
  v1::TurnEvent event;
  event.mutable_evicted()->set_first_turn(first_turn);
  event.mutable_evicted()->set_last_turn(last_turn);
  event.mutable_evicted()->mutable_memory()->set_horizon_turn(last_turn + 1);
  return event;
}

v1::TurnEvent WillEvictEvent(int64_t in_tokens, int64_t first_turn, int64_t last_turn) {
  v1::TurnEvent event;
  event.mutable_will_evict()->set_in_tokens(in_tokens);
  event.mutable_will_evict()->set_first_turn(first_turn);
  event.mutable_will_evict()->set_last_turn(last_turn);
  return event;
}

v1::TurnEvent FinishedEvent(v1::FinishReason reason) {
  v1::TurnEvent event;
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

FakeTurnRecord::FakeTurnRecord(const std::string& session_id, int64_t turn, FakeTurn script, size_t replay_events)
    : session_id_(session_id), turn_(turn), replay_events_(replay_events), end_(std::move(script.end)) {
  absl::MutexLock lock(&mutex_);
  for (v1::TurnEvent& event : script.events) AppendLocked(std::move(event));
}

void FakeTurnRecord::AppendLocked(v1::TurnEvent event) {
  event.set_session_id(session_id_);
  event.set_turn(event.has_queued() ? 0 : turn_);
  const auto sequence = static_cast<int64_t>(events_.size()) + 1;
  event.set_first_sequence(sequence);
  event.set_sequence(sequence);
  events_.push_back(std::move(event));
}

void FakeTurnRecord::Append(v1::TurnEvent event) {
  absl::MutexLock lock(&mutex_);
  AppendLocked(std::move(event));
  WakeReaders();
}

bool FakeTurnRecord::Cancel() {
  absl::MutexLock lock(&mutex_);
  if (end_.has_value()) return false;
  AppendLocked(FinishedEvent(v1::FINISH_REASON_CANCELLED));
  end_ = grpc::Status::OK;
  WakeReaders();
  return true;
}

bool FakeTurnRecord::ended() const {
  absl::MutexLock lock(&mutex_);
  return end_.has_value();
}

int64_t FakeTurnRecord::oldest_sequence() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int64_t>(events_.size() - std::min(events_.size(), replay_events_)) + 1;
}

v1::TurnEvent FakeTurnRecord::State() const {
  v1::TurnEvent event;
  event.mutable_state()->set_oldest_sequence(oldest_sequence());
  absl::MutexLock lock(&mutex_);
  event.set_session_id(session_id_);
  event.set_turn(turn_);
  event.set_first_sequence(static_cast<int64_t>(events_.size()));
  event.set_sequence(static_cast<int64_t>(events_.size()));
  event.mutable_state()->set_newest_sequence(static_cast<int64_t>(events_.size()));
  event.mutable_state()->set_phase(end_.has_value() ? v1::TURN_PHASE_ENDED : v1::TURN_PHASE_RUNNING);
  return event;
}

FakeTurnRecord::Next FakeTurnRecord::Read(int64_t after, bool merge, Reader& reader) {
  absl::MutexLock lock(&mutex_);
  Next next = ReadLocked(after, merge);
  if (!next.event.has_value() && !next.end.has_value()) waiting_[&reader] = {.after = after, .merge = merge};
  return next;
}

FakeTurnRecord::Next FakeTurnRecord::ReadLocked(int64_t after, bool merge) const {
  auto place = static_cast<size_t>(after);
  if (place >= events_.size()) return {.event = std::nullopt, .end = end_};
  v1::TurnEvent event = events_[place];
  while (merge && event.has_delta() && ++place < events_.size() && events_[place].has_delta()) {
    event.mutable_delta()->mutable_text()->append(events_[place].delta().text());
    event.mutable_delta()->set_tokens(event.delta().tokens() + events_[place].delta().tokens());
    event.set_sequence(events_[place].sequence());
  }
  return {.event = std::move(event), .end = std::nullopt};
}

bool FakeTurnRecord::Leave(Reader& reader) {
  absl::MutexLock lock(&mutex_);
  return waiting_.erase(&reader) > 0;
}

std::string FakeTurnRecord::Text() const {
  absl::MutexLock lock(&mutex_);
  std::string text;
  for (const v1::TurnEvent& event : events_) text += event.delta().text();
  return text;
}

std::optional<v1::SessionMemory> FakeTurnRecord::Memory() const {
  absl::MutexLock lock(&mutex_);
  if (events_.empty() || !events_.back().has_finished()) return std::nullopt;
  return events_.back().finished().memory();
}

void FakeTurnRecord::WakeReaders() {
  for (const auto& [reader, place] : std::exchange(waiting_, {})) reader->Wake(ReadLocked(place.after, place.merge));
}

}  // namespace perennial
