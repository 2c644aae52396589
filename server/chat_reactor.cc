#include "server/chat_reactor.h"

#include <grpc/support/time.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "model/check.h"
#include "server/engine/error.h"
#include "server/status_mapping.h"
#include "server/to_proto.h"
#include "spdlog/spdlog.h"

namespace perennial {
namespace {

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const gpr_timespec deadline = gpr_convert_clock_type(context.raw_deadline(), GPR_CLOCK_REALTIME);
  if (gpr_time_cmp(deadline, gpr_inf_future(GPR_CLOCK_REALTIME)) == 0) return absl::InfiniteFuture();
  return absl::FromUnixSeconds(deadline.tv_sec) + absl::Nanoseconds(deadline.tv_nsec);
}

std::string Seconds(absl::Duration duration) { return absl::StrCat(absl::ToDoubleSeconds(duration)); }

}  // namespace

grpc::ServerWriteReactor<v1::ChatResponse>* ChatReactor::Start(const ServiceParts* parts,
                                                               grpc::CallbackServerContext* context,
                                                               const v1::ChatRequest& request) {
  const std::shared_ptr<ChatReactor> reactor(new ChatReactor(parts, context));
  reactor->self_ = reactor;
  absl::StatusOr<CheckedChat> chat = CheckChat(request, parts->rules, parts->random_bits());
  if (!chat.ok()) {
    reactor->EndWith(chat.status());
    return reactor.get();
  }
  chat->turn.deadline = DeadlineOf(*context);
  reactor->stop_strings_ = chat->turn.stop_strings;
  reactor->session_id_ = chat->turn.session_id;
  const int64_t text_bytes = chat->text_bytes;
  const auto shared_chat = std::make_shared<CheckedChat>(*std::move(chat));
  const absl::Status status = parts->text_worker->Run(
      text_bytes, [reactor, shared_chat] { reactor->RenderAndSubmit(std::move(*shared_chat)); });
  if (!status.ok()) reactor->EndWith(status);
  return reactor.get();
}

void ChatReactor::RenderAndSubmit(CheckedChat chat) {
  {
    absl::ReleasableMutexLock lock(&mutex_);
    if (cancelled_) {
      lock.Release();
      EndWith(absl::CancelledError("the client left before the turn began"));
      return;
    }
  }
  absl::StatusOr<TurnSpec> turn = RenderChat(*parts_->renderer, parts_->rules, std::move(chat));
  if (!turn.ok()) {
    EndWith(turn.status());
    return;
  }
  // The caller holds a reference: the turn, and with it the call, may be over before Submit returns.
  std::shared_ptr<TurnTicket> ticket = parts_->engine->Submit(*std::move(turn), this);
  bool cancelled = false;
  {
    absl::MutexLock lock(&mutex_);
    ticket_ = ticket;
    cancelled = cancelled_;
  }
  if (cancelled) {
    ticket->Cancel();
    parts_->engine->Wake();
  }
}

void ChatReactor::OnCancel() {
  std::shared_ptr<TurnTicket> ticket;
  {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    outbox_.DropWaiting();
    ticket = ticket_;
  }
  // Without a ticket, RenderAndSubmit will see cancelled_.
  if (ticket != nullptr) ticket->Cancel();
  parts_->engine->Wake();
}

void ChatReactor::OnEvent(TurnEvent event) {
  if (const auto* started = std::get_if<TurnStarted>(&event.event); started != nullptr) {
    session_id_ = started->session_id;
    turn_ = started->turn;
  }
  v1::TurnEvent message = ToProto(event, session_id_, turn_);
  {
    absl::MutexLock lock(&mutex_);
    if (cancelled_) return;
    outbox_.Push(std::move(message));
  }
  Advance();
}

void ChatReactor::OnFinish(TurnResult result) {
  const std::shared_ptr<ChatReactor> keep = self_;  // Finish, and so OnDone, cannot have come yet
  AddTrailers(result);
  SPDLOG_DEBUG("turn {} ended: {}, {} tokens fed, {} generated, first token after {} s", result.turn,
               absl::StatusCodeToString(result.status.code()), result.usage.fed_tokens, result.usage.generated_tokens,
               absl::ToDoubleSeconds(result.timing.first_token));
  if (result.status.ok()) {
    absl::MutexLock lock(&mutex_);
    if (!cancelled_) outbox_.Push(ToFinishedEvent(result, stop_strings_));
  } else if (ReasonOf(result.status) == ErrorReason::kSlowReader) {
    // What it did not read in all this time it will not get.
    absl::MutexLock lock(&mutex_);
    outbox_.DropWaiting();
  }
  EndWith(result.status);
}

bool ChatReactor::ReadyForMore() const {
  absl::MutexLock lock(&mutex_);
  return HasRoomLocked();
}

bool ChatReactor::HasRoomLocked() const {
  return cancelled_ || outbox_.unread_bytes() <= parts_->rules.options.max_unread_bytes;
}

void ChatReactor::EndWith(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    PERENNIAL_CHECK(!end_.has_value());
    end_ = status;
  }
  Advance();
}

void ChatReactor::Advance() {
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
    Finish(ToGrpcStatus(*end));
  } else {
    StartWrite(&response_);
  }
}

void ChatReactor::OnWriteDone(bool ok) {
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

void ChatReactor::AddTrailers(const TurnResult& result) {
  context_->AddTrailingMetadata("x-perennial-session-id", result.session_id.empty() ? session_id_ : result.session_id);
  context_->AddTrailingMetadata("x-perennial-turn", absl::StrCat(result.turn));
  context_->AddTrailingMetadata("x-perennial-prompt-tokens", absl::StrCat(result.usage.prompt_tokens));
  context_->AddTrailingMetadata("x-perennial-fed-tokens", absl::StrCat(result.usage.fed_tokens));
  context_->AddTrailingMetadata("x-perennial-generated-tokens", absl::StrCat(result.usage.generated_tokens));
  context_->AddTrailingMetadata("x-perennial-evicted-tokens", absl::StrCat(result.usage.evicted_tokens));
  context_->AddTrailingMetadata("x-perennial-queue-seconds", Seconds(result.timing.queue));
  context_->AddTrailingMetadata("x-perennial-prefill-seconds", Seconds(result.timing.prefill));
  context_->AddTrailingMetadata("x-perennial-first-token-seconds", Seconds(result.timing.first_token));
  context_->AddTrailingMetadata("x-perennial-decode-seconds", Seconds(result.timing.decode));
}

void ChatReactor::OnDone() {
  // Ends this object, unless somebody is still on their way out of it.
  const std::shared_ptr<ChatReactor> last = std::move(self_);
}

}  // namespace perennial
