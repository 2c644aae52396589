// TurnLoop's calls that go through a session's stream: rewind and transcript.

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/engine/error.h"
#include "server/engine/turn_loop.h"

namespace perennial {

void TurnLoop::TakeCall(RewindSessionCall call) {
  if (!call.check.ok()) return call.done(std::move(call.check));
  LiveSession* session = sessions_.Find(call.spec.session_id);
  if (session == nullptr || session->ephemeral) return call.done(NoSuchSession());
  const RequestTag request = call.spec.request;
  if (AnswerRetry(session->id, request, call.done)) return;
  if (session->busy()) {
    return call.done(MakeError(ErrorReason::kTurnInProgress, "a turn of this session is running or waiting"));
  }
  if (session->forks > 0) {
    return call.done(MakeError(ErrorReason::kTurnInProgress, "the session is being forked"));
  }
  const RewindSpec& spec = call.spec;
  if (spec.expected_turn.has_value() && *spec.expected_turn != session->last_turn) {
    return call.done(MakeError(
        ErrorReason::kStaleTurn,
        absl::StrCat("expected_turn: ", *spec.expected_turn, " is not the session's last turn, ", session->last_turn)));
  }
  if (spec.to_turn > session->last_turn) {
    return call.done(
        MakeError(ErrorReason::kInvalidField,
                  absl::StrCat("to_turn: ", spec.to_turn, " is after the session's last turn, ", session->last_turn)));
  }
  const absl::StatusOr<int64_t> point = session->RewindPoint(spec.to_turn);
  if (!point.ok()) return call.done(point.status());
  const absl::Time now = clock_->Now();
  // A parked cache need not come back for this: it keeps its slots, and a resume gives it the new length.
  if (*point < session->window.num_tokens() && session->cache != nullptr) {
    if (absl::Status status = model_.runner->Truncate(*session->cache, *point); !status.ok()) {
      if (model_.on_failure) model_.on_failure(status);
      status = MakeError(ErrorReason::kModelFailure, "the model failed; the session is lost");
      ForgetSession(session, status, now);
      ++stats_.sessions_failed;
      return call.done(std::move(status));
    }
  }
  session->Rewind(*point, spec.to_turn);
  session->last_used = now;
  sessions_.UpdateExpiry(session, now);
  ++stats_.sessions_rewound;
  RememberSession(session->id, request, *session, now);
  call.done(session->Describe(now));
}

void TurnLoop::TakeCall(const GetTranscriptCall& call) {
  if (options_.transcript_turns == 0) {
    return call.done(MakeError(ErrorReason::kNotSupported, "this server keeps no transcripts (transcript_turns is 0)"));
  }
  const LiveSession* session = sessions_.Find(call.id);
  if (session == nullptr) return call.done(NoSuchSession());
  std::vector<TranscriptTurn> turns(session->transcript.turns().begin(), session->transcript.turns().end());
  for (TranscriptTurn& turn : turns) turn.forgotten = session->PartlyForgotten(turn.turn);
  call.done(std::move(turns));
}

}  // namespace perennial
