#include "server/turn_reactor.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "model/check.h"
#include "server/call_deadline.h"
#include "server/engine/error.h"
#include "server/status_mapping.h"
#include "server/to_proto.h"
#include "spdlog/spdlog.h"

namespace perennial {
namespace {

// True for what a session id may be, by far.
bool MayBeMetadata(absl::string_view text) {
  return text.size() <= 128 && std::all_of(text.begin(), text.end(), absl::ascii_isprint);
}

std::string Seconds(absl::Duration duration) { return absl::StrCat(absl::ToDoubleSeconds(duration)); }

}  // namespace

template <typename Response>
absl::Time TurnReactor<Response>::deadline() const {
  return DeadlineOf(*context_);
}

template <typename Response>
bool TurnReactor<Response>::client_left() const {
  absl::MutexLock lock(&mutex_);
  return left_;
}

template <typename Response>
void TurnReactor<Response>::Follow(const std::function<std::shared_ptr<TurnTicket>(TurnSink*)>& follow) {
  if (client_left()) {
    EndWith(absl::CancelledError("the client left before the turn began"));
    return;
  }
  std::shared_ptr<TurnTicket> ticket = follow(this);
  bool left = false;
  {
    absl::MutexLock lock(&mutex_);
    ticket_ = ticket;
    left = left_;
  }
  if (left) {
    ticket->Leave();
    parts_->engine->Wake();
  }
}

template <typename Response>
void TurnReactor<Response>::OnCancel() {
  std::shared_ptr<TurnTicket> ticket;
  {
    absl::MutexLock lock(&mutex_);
    left_ = true;
    outbox_.DropWaiting();
    ticket = ticket_;
  }
  // Without a ticket, Follow will see left_.
  if (ticket != nullptr) ticket->Leave();
  parts_->engine->Wake();
}

template <typename Response>
void TurnReactor<Response>::OnEvent(TurnEvent event) {
  if (const auto* state = std::get_if<TurnState>(&event.event); state != nullptr) {
    session_id_ = state->session_id;
    turn_ = state->turn;
  } else if (const auto* started = std::get_if<TurnStarted>(&event.event); started != nullptr) {
    session_id_ = started->session_id;
    turn_ = started->turn;
  }
  v1::TurnEvent message = ToProto(event, session_id_, turn_);
  {
    absl::MutexLock lock(&mutex_);
    if (left_) return;
    outbox_.Push(std::move(message));
  }
  Advance();
}

template <typename Response>
void TurnReactor<Response>::OnFinish(TurnResult result) {
  const std::shared_ptr<TurnReactor> keep = self_;  // Finish, and so OnDone, cannot have come yet
  AddTrailers(result);
  SPDLOG_DEBUG("turn {} ended: {}, {} tokens fed, {} generated, first token after {} s", result.turn,
               absl::StatusCodeToString(result.status.code()), result.usage.fed_tokens, result.usage.generated_tokens,
               absl::ToDoubleSeconds(result.timing.first_token));
  if (result.status.ok()) {
    absl::MutexLock lock(&mutex_);
    if (!left_) outbox_.Push(ToFinishedEvent(result));
  } else if (ReasonOf(result.status) == ErrorReason::kSlowReader) {
    // What it did not read in all this time it will not get.
    absl::MutexLock lock(&mutex_);
    outbox_.DropWaiting();
  }
  EndWith(result.status);
}

template <typename Response>
bool TurnReactor<Response>::ReadyForMore() const {
  absl::MutexLock lock(&mutex_);
  return HasRoomLocked();
}

template <typename Response>
bool TurnReactor<Response>::HasRoomLocked() const {
  return left_ || outbox_.unread_bytes() <= parts_->rules.options.max_unread_bytes;
}

template <typename Response>
void TurnReactor<Response>::EndWith(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    PERENNIAL_CHECK(!end_.has_value());
    end_ = status;
  }
  Advance();
}

template <typename Response>
void TurnReactor<Response>::Advance() {
  std::optional<absl::Status> end;
  {
    absl::MutexLock lock(&mutex_);
    if (write_in_flight_ || finishing_) return;
    if (!outbox_.empty()) {
      *response_.mutable_event() = outbox_.TakeNext();
      write_in_flight_ = true;
    } else if (end_.has_value()) {
      finishing_ = true;
      end = end_;
    } else {
      return;
    }
  }
  // Outside the lock: gRPC may call back before these return. Nothing of this object is touched after them.
  if (end.has_value()) {
    this->Finish(ToGrpcStatus(*end));
  } else {
    this->StartWrite(&response_);
  }
}

template <typename Response>
void TurnReactor<Response>::OnWriteDone(bool ok) {
  bool has_room_again = false;
  {
    absl::MutexLock lock(&mutex_);
    const bool had_room = HasRoomLocked();
    write_in_flight_ = false;
    outbox_.Written();
    // A failed write means that the client is gone; OnCancel comes too and stops the turn.
    if (!ok) outbox_.DropWaiting();
    has_room_again = !had_room && HasRoomLocked();
  }
  if (has_room_again) parts_->engine->Wake();
  Advance();
}

template <typename Response>
void TurnReactor<Response>::AddTrailers(const TurnResult& result) {
  // A session that was not found has the name that the client gave it, which may be anything; gRPC aborts the program
  // for metadata that is not printable.
  const std::string& session = result.session_id.empty() ? session_id_ : result.session_id;
  if (MayBeMetadata(session)) context_->AddTrailingMetadata("x-perennial-session-id", session);
  context_->AddTrailingMetadata("x-perennial-turn", absl::StrCat(result.turn));
  context_->AddTrailingMetadata("x-perennial-prompt-tokens", absl::StrCat(result.usage.prompt_tokens));
  context_->AddTrailingMetadata("x-perennial-fed-tokens", absl::StrCat(result.usage.fed_tokens));
  context_->AddTrailingMetadata("x-perennial-generated-tokens", absl::StrCat(result.usage.generated_tokens));
  context_->AddTrailingMetadata("x-perennial-evicted-tokens", absl::StrCat(result.usage.evicted_tokens));
  context_->AddTrailingMetadata("x-perennial-readable-prompt-tokens",
                                absl::StrCat(result.usage.readable_prompt_tokens));
  context_->AddTrailingMetadata("x-perennial-reused-tokens", absl::StrCat(result.usage.reused_tokens));
  context_->AddTrailingMetadata("x-perennial-queue-seconds", Seconds(result.timing.queue));
  context_->AddTrailingMetadata("x-perennial-prefill-seconds", Seconds(result.timing.prefill));
  context_->AddTrailingMetadata("x-perennial-first-token-seconds", Seconds(result.timing.first_token));
  context_->AddTrailingMetadata("x-perennial-decode-seconds", Seconds(result.timing.decode));
}

template <typename Response>
void TurnReactor<Response>::OnDone() {
  // Ends this object, unless somebody is still on their way out of it.
  const std::shared_ptr<TurnReactor> last = std::move(self_);
}

template class TurnReactor<v1::ChatResponse>;
template class TurnReactor<v1::AttachResponse>;

}  // namespace perennial
