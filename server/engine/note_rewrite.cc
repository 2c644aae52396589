#include "server/engine/note_rewrite.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "server/engine/error.h"

namespace perennial {

absl::StatusOr<std::vector<TokenId>> TokensOfTurn(const LiveSession& session, int64_t turn) {
  if (turn < 1 || turn > session.last_turn) {
    return MakeError(ErrorReason::kInvalidField,
                     absl::StrCat("turn: ", turn, " is not in 1 … ", session.last_turn, ", the session's turns"));
  }
  if (session.leased && turn == session.last_turn) {
    return MakeError(ErrorReason::kTurnInProgress, absl::StrCat("turn ", turn, " is still running"));
  }
  // The end of the last reply may not have been fed; it is the turn's all the same.
  const std::optional<TurnStarts::Range> range = session.turn_starts.RangeOf(turn);
  const int64_t fed = session.recent.end();
  const int64_t horizon = session.window.horizon();
  const bool nothing_forgotten = horizon == session.window.shape().sink_tokens;
  if (!range.has_value() || (range->begin < horizon && !nothing_forgotten) || range->begin < session.recent.begin()) {
    return MakeError(ErrorReason::kBeyondHorizon,
                     absl::StrCat("turn ", turn, " is not whole in the window any more, or was undone or rewound; the ",
                                  "window begins in turn ", session.turn_starts.TurnOf(horizon)));
  }
  const int64_t end = range->end.value_or(fed + static_cast<int64_t>(session.unfed.size()));
  std::vector<TokenId> tokens = session.recent.Copy(std::min(range->begin, fed), std::min(end, fed));
  const absl::Span<const TokenId> unfed = session.unfed;
  const int64_t first = std::max(range->begin, fed);
  if (end > first) {
    const absl::Span<const TokenId> rest =
        unfed.subspan(static_cast<size_t>(first - fed), static_cast<size_t>(end - first));
    tokens.insert(tokens.end(), rest.begin(), rest.end());
  }
  return tokens;
}

bool TakesNotes(const LiveSession& session) {
  return session.writable() && session.window.num_tokens() >= session.window.shape().sink_tokens;
}

int64_t TokensBeforeNotes(const LiveSession& session) {
  if (!session.notes.due()) return std::numeric_limits<int64_t>::max();
  return std::max<int64_t>(session.window.shape().sink_tokens - session.window.num_tokens(), 0);
}

NoteRewrites::~NoteRewrites() { PERENNIAL_CHECK(waiting_.empty()); }

void NoteRewrites::Add(LiveSession* session, Engine::Done<SessionNotes> done) {
  SessionNotes notes = session->notes.Describe();
  if (!session->notes.due() || !TakesNotes(*session)) return done(std::move(notes));
  waiting_.push_back({session, std::move(notes), std::move(done)});
}

std::vector<LiveSession*> NoteRewrites::Plan(absl::Span<LiveSession* const> running, bool others_want,
                                             int32_t max_tokens) {
  AnswerWhereNotesMustWait();
  std::vector<LiveSession*> planned;
  if (std::exchange(rest_, false) && others_want) return planned;
  int64_t tokens = 0;
  const auto plan = [&](LiveSession* session) {
    if (!session->notes.due() || !TakesNotes(*session)) return;
    if (std::find(planned.begin(), planned.end(), session) != planned.end()) return;
    if (tokens + session->notes.num_tokens() > max_tokens) return;
    tokens += session->notes.num_tokens();
    planned.push_back(session);
  };
  for (const Waiting& waiting : waiting_) plan(waiting.session);
  for (LiveSession* const session : running) plan(session);
  rest_ = !planned.empty();
  return planned;
}

void NoteRewrites::AnswerWhereNotesMustWait() {
  while (true) {
    const auto waiting =
        std::find_if(waiting_.begin(), waiting_.end(), [](const Waiting& one) { return !TakesNotes(*one.session); });
    if (waiting == waiting_.end()) return;
    Answer(waiting->session, absl::OkStatus());
  }
}

void NoteRewrites::Written(LiveSession* session) {
  session->notes.WasWritten();
  Answer(session, absl::OkStatus());
}

void NoteRewrites::Forget(const LiveSession* session, const absl::Status& status) { Answer(session, status); }

void NoteRewrites::ForgetAll(const absl::Status& status) { Answer(nullptr, status); }

void NoteRewrites::Answer(const LiveSession* session, const absl::Status& status) {
  for (Waiting& waiting : std::exchange(waiting_, {})) {
    if (session != nullptr && waiting.session != session) {
      waiting_.push_back(std::move(waiting));
      continue;
    }
    if (status.ok()) {
      waiting.done(std::move(waiting.notes));
    } else {
      waiting.done(status);
    }
  }
}

}  // namespace perennial
