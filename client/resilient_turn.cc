#include "client/resilient_turn.h"

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/error_text.h"

namespace perennial {
namespace {

// Breaks that a proxy or network may have made or the server itself (INTERNAL, UNKNOWN, CANCELLED without a reason): so
// many without an event in between are taken for the latter.
constexpr int kMaxUnexplainedBreaks = 3;

double RandomFraction() {
  std::random_device random;
  return std::uniform_real_distribution<double>(0, 1)(random);
}

// No turn that came with the request id is known (any more).
bool IsUnknownTurn(const absl::Status& status) {
  return status.code() == absl::StatusCode::kNotFound || ErrorReason(status) == "BEYOND_REPLAY";
}

absl::Status CancelledByCaller() { return absl::CancelledError("cancelled by the caller"); }

}  // namespace

// How one stream ended.
struct ResilientTurn::StreamEnd {
  absl::Status status;
  bool has_finished = false;
  v1::Finished finished;
  bool turn_had_ended = false;  // `state` said so: what followed was a replay to the turn's own end
  bool progressed = false;      // events were read that had not been read before
  bool ask_again = false;       // left because events were missing
  bool sent = false;            // the request was: it may have arrived
};

ResilientTurn::ResilientTurn(TurnOptions options, absl::FunctionRef<void(const v1::TurnEvent&)> on_event,
                             CancelToken* cancel, ConnectionObserver* observer)
    : options_(std::move(options)),
      on_event_(on_event),
      cancel_(cancel),
      observer_(observer),
      backoff_(options_.backoff, absl::Now(), RandomFraction) {}

absl::StatusOr<v1::Finished> ResilientTurn::Chat(const v1::ChatRequest& request) {
  can_resume_ = !request.request_id().empty();
  v1::CancelTurnRequest target;
  target.set_session_id(request.session_id());
  target.set_request_id(request.request_id());
  v1::AttachRequest attach;
  attach.set_session_id(request.session_id());
  attach.set_request_id(request.request_id());
  TurnStop stop(options_.service, options_.route, options_.call_timeout, std::move(target));
  return Run(stop, &request, std::move(attach));
}

absl::StatusOr<v1::Finished> ResilientTurn::Attach(const v1::AttachRequest& request) {
  can_resume_ = true;
  show_state_ = true;
  progress_ = TurnProgress(std::max<int64_t>(1, request.from_sequence()), request.from_oldest());
  TurnStop stop(options_.service, options_.route, options_.call_timeout, v1::CancelTurnRequest());
  return Run(stop, /*chat=*/nullptr, request);
}

absl::StatusOr<v1::Finished> ResilientTurn::Run(TurnStop& stop, const v1::ChatRequest* chat, v1::AttachRequest attach) {
  if (cancelled()) return CancelledByCaller();
  const CancelToken::Binding binding(cancel_, [&stop] { stop.Stop(); });
  bool attached = chat == nullptr;
  while (true) {
    StreamEnd end;
    {
      ++streams_;
      TurnStop::Stream call(stop);
      if (attached) {
        EventStream<v1::AttachResponse> stream([&](grpc::CompletionQueue* queue) {
          return options_.service.AsyncAttach(&call.context, attach, queue, nullptr);
        });
        end = Read(stop, stream, call.context);
      } else {
        EventStream<v1::ChatResponse> stream([&](grpc::CompletionQueue* queue) {
          return options_.service.AsyncChat(&call.context, *chat, queue, nullptr);
        });
        end = Read(stop, stream, call.context);
      }
    }
    if (end.has_finished) return std::move(end.finished);
    if (cancelled() && end.status.code() == absl::StatusCode::kCancelled) return CancelledByCaller();
    if (end.progressed) unexplained_breaks_ = 0;
    absl::Duration wait = absl::ZeroDuration();
    if (end.ask_again) {
      if (!end.progressed && ++unexplained_breaks_ > kMaxUnexplainedBreaks) {
        return absl::DataLossError(absl::StrCat("the server left out event ", progress_.next_sequence()));
      }
    } else if (attached && chat != nullptr && !progress_.started() && !end.progressed && IsUnknownTurn(end.status)) {
      // It was seen waiting and is not known: it was never admitted. Should the session be gone, Chat says so.
      progress_ = TurnProgress();
    } else {
      if (!IsBreak(end, attached)) {
        if (end.status.code() == absl::StatusCode::kCancelled) {
          return absl::AbortedError(absl::StrCat("the server cancelled the turn: ", end.status.message()));
        }
        return end.status;
      }
      const auto next = backoff_.Next(absl::Now(), RetryDelay(end.status));
      if (!next.has_value() || cancelled()) return cancelled() ? CancelledByCaller() : end.status;
      wait = *next;
      lost_ = true;
      if (observer_ != nullptr) observer_->OnLost(end.status, wait);
    }
    if (cancel_ != nullptr && wait > absl::ZeroDuration()) {
      if (cancel_->WaitFor(wait)) return CancelledByCaller();
    } else {
      absl::SleepFor(wait);
    }
    attached = chat == nullptr || progress_.any_read();
    if (progress_.any_read()) {
      attach.set_from_sequence(progress_.next_sequence());
      attach.set_from_oldest(false);
      show_state_ = false;
    }
  }
}

template <typename Response>
ResilientTurn::StreamEnd ResilientTurn::Read(TurnStop& stop, EventStream<Response>& stream, grpc::ClientContext& call) {
  StreamEnd end;
  end.sent = stream.sent();
  Response response;
  while (stream.Read(&response)) {
    const v1::TurnEvent& event = response.event();
    stop.OnEvent();
    if (std::exchange(lost_, false) && observer_ != nullptr) observer_->OnFound();
    if (event.has_state()) {
      end.turn_had_ended = event.state().phase() == v1::TURN_PHASE_ENDED;
      if (!show_state_) continue;
    }
    const EventFate fate = can_resume_ ? progress_.Take(event) : EventFate::kShow;
    if (fate == EventFate::kSkip) continue;
    if (fate == EventFate::kAskAgain) {
      end.ask_again = true;
      call.TryCancel();
      break;
    }
    if (!event.has_state()) {
      end.progressed = true;
      backoff_.Restart(absl::Now());
    }
    on_event_(event);
    if (event.has_finished()) {
      end.finished = event.finished();
      end.has_finished = true;
    }
  }
  const grpc::Status status = stream.Finish();
  end.status = FromGrpcStatus(status);
  if (status.ok() && !end.has_finished) {
    end.status = absl::DataLossError("the server closed the stream without a finished event");
  }
  // Of a turn that can be found again, a finished event is its end, however the stream ends.
  if (!status.ok() && !can_resume_) end.has_finished = false;
  return end;
}

bool ResilientTurn::IsBreak(const StreamEnd& end, bool attached) {
  if (!can_resume_ || !progress_.resumable()) return false;
  const std::string reason = ErrorReason(end.status);
  // A server that gives a reason has decided about the request; one that gives none may be running it.
  const bool may_run = streams_ > 1 || end.progressed || (end.sent && reason.empty());
  if (!may_run && !options_.waits_for_server) return false;
  // The turn's own end, replayed.
  if (end.turn_had_ended && (!reason.empty() || end.status.code() == absl::StatusCode::kCancelled)) return false;
  switch (end.status.code()) {
    case absl::StatusCode::kUnavailable:
      return true;
    case absl::StatusCode::kResourceExhausted:
      // Of a turn that runs, or may run: it has all the readers that it may have, perhaps ours that was cut among them.
      return reason == "QUEUE_FULL" && streams_ > 1;
    case absl::StatusCode::kAborted:
      // A reader that only follows is cut and may come again; the turn goes on.
      return reason == "SLOW_READER" && attached && end.progressed;
    case absl::StatusCode::kDataLoss:  // closed without a finished event
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kCancelled:
      return reason.empty() && ++unexplained_breaks_ <= kMaxUnexplainedBreaks;
    default:
      return false;
  }
}

}  // namespace perennial
