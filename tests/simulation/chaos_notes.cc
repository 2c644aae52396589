// What clients do to the notes of their sessions.

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/simulation/chaos_simulation.h"

namespace perennial {
namespace {

constexpr size_t kMarkTokens = 2;

// Notes begin with a mark, so that whoever sees them written knows whose they are.
std::vector<TokenId> MarkOf(int64_t number) {
  return {static_cast<TokenId>(number / 256 % 256), static_cast<TokenId>(number % 256)};
}

}  // namespace

void ChaosSimulation::SetNotes() {
  const std::shared_ptr<KnownSession> session = AnySession();
  if (session == nullptr || !CanBeFollowed(*session)) return;
  WriteNotes(session);
}

void ChaosSimulation::WriteNotes(const std::shared_ptr<KnownSession>& session) {
  const int32_t budget = session->spec.shape.note_tokens;
  if (budget < static_cast<int32_t>(kMarkTokens)) return;
  std::vector<TokenId> text = MarkOf(next_notes_);
  NotesSpec spec;
  spec.text = absl::StrCat("notes ", next_notes_);
  notes_[next_notes_++ % 65536] = session;
  // Now and then too many.
  for (int64_t i = choice_.Between(0, budget - 1); i > 0; --i) text.push_back(choice_.Between32(0, 255));
  spec.tokens = text;
  spec.keep_pinned_turns = choice_.OneIn(3);
  session->notes_under_way = true;
  tally_.Count("set notes");
  engine_->SetNotes(session->id, spec, [this, session, text, budget](absl::StatusOr<SessionNotes> notes) {
    session->notes_under_way = false;
    if (!notes.ok()) {
      const auto reason = ReasonOf(notes.status());
      EXPECT_TRUE(reason == ErrorReason::kSessionNotFound || reason == ErrorReason::kQueueFull ||
                  reason == ErrorReason::kInvalidField || reason == ErrorReason::kModelFailure ||
                  reason == ErrorReason::kShuttingDown || reason == ErrorReason::kStoreUnavailable ||
                  absl::IsCancelled(notes.status()))
          << notes.status();
      return;
    }
    EXPECT_LE(notes->tokens, budget);
    EXPECT_GE(notes->tokens, static_cast<int32_t>(text.size()));
    CheckNotes(*session, text, *notes);
  });
}

void ChaosSimulation::PinTurn() {
  const std::shared_ptr<KnownSession> session = AnySession();
  if (session == nullptr || session->last_turn == 0 || !CanBeFollowed(*session)) return;
  const std::vector<TokenId> text = session->note_text;
  if (text.empty()) return;  // notes without a mark
  const int64_t turn = choice_.OneIn(8) ? choice_.Between(1, session->last_turn) : session->last_turn;
  session->notes_under_way = true;
  tally_.Count("pin a turn");
  engine_->PinTurn(session->id, turn, [this, session, text](absl::StatusOr<SessionNotes> notes) {
    session->notes_under_way = false;
    if (!notes.ok()) {
      if (const auto reason = ReasonOf(notes.status())) tally_.Count(absl::StrCat("pin: ", ErrorReasonName(*reason)));
      return;
    }
    tally_.Count("pinned turn");
    CheckNotes(*session, text, *notes);
  });
}

// The engine has said that `notes` are in the cache, or will be when its sinks are.
void ChaosSimulation::CheckNotes(KnownSession& session, const std::vector<TokenId>& text, const SessionNotes& notes) {
  session.note_text = text;
  const SessionTruth& truth = session.truth;
  for (auto pinned = session.pinned.begin(); pinned != session.pinned.end();) {
    const bool kept =
        std::find(notes.pinned_turns.begin(), notes.pinned_turns.end(), pinned->first) != notes.pinned_turns.end();
    pinned = kept ? std::next(pinned) : session.pinned.erase(pinned);
  }
  std::vector<TokenId> expected = text;
  for (const int64_t turn : notes.pinned_turns) {
    if (!session.pinned.contains(turn)) {
      const auto found = std::find(truth.turns().begin(), truth.turns().end(), turn);
      if (truth.lost() || truth.settled_turn() != session.last_turn || found == truth.turns().end()) return;
      session.pinned[turn] = truth.oracle().TokensOfTurn(found - truth.turns().begin() + 1);
    }
    expected.insert(expected.end(), session.pinned[turn].begin(), session.pinned[turn].end());
  }
  EXPECT_EQ(notes.tokens, static_cast<int32_t>(expected.size()));
  // Not yet, where the sinks are not there.
  if (session.written_notes.size() == expected.size() &&
      std::equal(text.begin(), text.end(), session.written_notes.begin())) {
    EXPECT_EQ(session.written_notes, expected);
    tally_.Count("checked notes");
  }
}

bool ChaosSimulation::CanBeFollowed(const KnownSession& session) const {
  if (session.notes_under_way || session.forks_under_way > 0 || session.truth.lost()) return false;
  // All that happened in it is known, and what happens is known at once.
  return session.truth.settled_turn() == session.last_turn ||
         std::any_of(followers_.begin(), followers_.end(), [&session](const std::shared_ptr<Follower>& follower) {
           return follower->story != nullptr && follower->story->session_id == session.id &&
                  follower->story->turn == session.last_turn && follower->reads();
         });
}

void ChaosSimulation::OnStep(absl::Span<const StepInput> batch) {
  for (const StepInput& input : batch) {
    if (input.part != Part::kNotes || input.tokens.size() < kMarkTokens) continue;
    const auto found = notes_.find(input.tokens[0] * 256 + input.tokens[1]);
    if (found == notes_.end()) {
      ADD_FAILURE() << "notes that nobody wrote";
      continue;
    }
    KnownSession& session = *found->second;
    tally_.Count("written notes");
    session.written_notes.assign(input.tokens.begin(), input.tokens.end());
    session.truth.AddNotes(session.last_turn, input.cache->num_tokens(), session.written_notes);
  }
}

}  // namespace perennial
