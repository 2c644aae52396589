// Sessions that are copied and go back.

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/simulation/chaos_simulation.h"

namespace perennial {
namespace {

// Why a fork or a rewind may be refused.
bool MayBeRefusedFor(const absl::Status& status) {
  const std::optional<ErrorReason> reason = ReasonOf(status);
  return absl::IsCancelled(status) || reason == ErrorReason::kSessionNotFound || reason == ErrorReason::kQueueFull ||
         reason == ErrorReason::kTurnInProgress || reason == ErrorReason::kNoFreeCache ||
         reason == ErrorReason::kStoreUnavailable || reason == ErrorReason::kShuttingDown ||
         reason == ErrorReason::kBeyondHorizon || reason == ErrorReason::kStaleTurn ||
         reason == ErrorReason::kRequestIdReused || reason == ErrorReason::kModelFailure;
}

}  // namespace

void ChaosSimulation::CountRefusal(absl::string_view call, const absl::Status& status) {
  EXPECT_TRUE(MayBeRefusedFor(status)) << call << ": " << status;
  const std::optional<ErrorReason> reason = ReasonOf(status);
  tally_.Count(absl::StrCat(call, ": ", reason.has_value() ? ErrorReasonName(*reason) : "CANCELLED"));
}

void ChaosSimulation::Fork() {
  const std::shared_ptr<KnownSession> session = AnySession();
  // Notes that are copied carry their parent's mark: nobody could tell whose they are.
  if (session == nullptr || session->notes_under_way || !session->note_text.empty()) return;
  ForkSpec spec = {.session_id = session->id, .labels = {}, .request = {}};
  if (choice_.OneIn(2)) spec.request = {absl::StrCat("fork", next_request_++), choice_.Bits()};
  tally_.Count("fork");
  ++session->forks_under_way;
  engine_->ForkSession(spec, [this, session, spec](absl::StatusOr<SessionSummary> fork) {
    --session->forks_under_way;
    if (!fork.ok()) return CountRefusal("fork", fork.status());
    tally_.Count("forked session");
    auto child = std::make_shared<KnownSession>();
    child->id = fork->id;
    child->spec = session->spec;
    child->last_turn = fork->last_turn;
    child->pinned = session->pinned;
    sessions_.push_back(child);
    const SessionMemory memory = fork->memory;
    session->truth.AddAction(fork->last_turn, [child, memory, last_turn = fork->last_turn](SessionTruth& truth) {
      EXPECT_EQ(memory.stream_tokens, truth.oracle().stream_tokens());
      EXPECT_EQ(memory.horizon_token, truth.oracle().horizon());
      child->truth.Begin(truth.ForkOracle(), last_turn, truth.turns(), truth.log() + "forked\n");
    });
    if (!spec.request.empty() && choice_.OneIn(2)) ForkAgain(spec, child->id);
  });
}

void ChaosSimulation::ForkAgain(ForkSpec spec, const std::string& first) {
  const bool otherwise = choice_.OneIn(3);
  if (otherwise) ++spec.request.fingerprint;
  const absl::Time until = clock_.Now() + options_.request_id_ttl;
  tally_.Count("fork again");
  engine_->ForkSession(spec, [this, otherwise, first, until](absl::StatusOr<SessionSummary> fork) {
    if (clock_.Now() >= until) return;
    if (otherwise || !fork.ok()) {
      EXPECT_FALSE(fork.ok()) << "two requests with one id were taken for one";
      return CountRefusal("fork again", fork.status());
    }
    EXPECT_EQ(fork->id, first) << "a session was forked twice for one request";
  });
}

void ChaosSimulation::Rewind() {
  const std::shared_ptr<KnownSession> session = AnySession();
  if (session == nullptr || session->last_turn == 0) return;
  RewindSpec spec = {.session_id = session->id,
                     // Mostly a little: what is far back has left the window.
                     .to_turn = choice_.OneIn(3) ? choice_.Between(0, session->last_turn) : session->last_turn - 1,
                     .expected_turn = {},
                     .request = {}};
  if (choice_.OneIn(4)) spec.expected_turn = session->last_turn - (choice_.OneIn(4) ? 1 : 0);
  if (choice_.OneIn(2)) spec.request = {absl::StrCat("rewind", next_request_++), choice_.Bits()};
  tally_.Count("rewind");
  engine_->RewindSession(spec, [this, session, spec](absl::StatusOr<SessionSummary> rewound) {
    if (!rewound.ok()) {
      if (ReasonOf(rewound.status()) == ErrorReason::kModelFailure) Forget(session);
      return CountRefusal("rewind", rewound.status());
    }
    tally_.Count("rewound session");
    const SessionMemory memory = rewound->memory;
    session->truth.AddAction(rewound->last_turn, [to_turn = spec.to_turn, memory](SessionTruth& truth) {
      truth.Rewind(to_turn);
      EXPECT_EQ(memory.stream_tokens, truth.oracle().stream_tokens()) << truth.log();
      EXPECT_EQ(memory.horizon_token, truth.oracle().horizon()) << truth.log();
    });
    if (!spec.request.empty() && choice_.OneIn(2)) RewindAgain(spec);
  });
}

void ChaosSimulation::RewindAgain(const RewindSpec& spec) {
  const absl::Time until = clock_.Now() + options_.request_id_ttl;
  tally_.Count("rewind again");
  engine_->RewindSession(spec, [this, until](absl::StatusOr<SessionSummary> rewound) {
    if (clock_.Now() >= until) return;
    if (!rewound.ok()) CountRefusal("rewind again", rewound.status());
  });
}

void ChaosSimulation::GetTranscript() {
  const std::shared_ptr<KnownSession> session = AnySession();
  if (session == nullptr) return;
  engine_->GetTranscript(session->id, [this, session](absl::StatusOr<std::vector<TranscriptTurn>> transcript) {
    if (!transcript.ok()) return;
    EXPECT_LE(transcript->size(), static_cast<size_t>(options_.transcript_turns));
    for (const TranscriptTurn& turn : *transcript) {
      const auto story = stories_.find({session->id, turn.turn});
      if (story == stories_.end() || !story->second->complete() || turn.truncated || turn.messages.empty()) continue;
      if (!story->second->request->spec.reply) continue;
      EXPECT_EQ(turn.messages.back().text, story->second->text());
      tally_.Count("checked transcript");
    }
  });
}

}  // namespace perennial
