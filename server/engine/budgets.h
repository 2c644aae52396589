// Budgets: how much a turn may use, and a session in its whole life; never more than the server's limits.
//
//   turn      TurnSpec::max_time, from its admission. Time counts while its client does not read, too: such a turn
//             holds its session, though no place among max_running_turns.
//   session   SessionBudget: sampled tokens, and time from admission to end of all its turns together.
//
// A turn whose budget ends is finished, at a token boundary, with kTurnBudget or kSessionBudget; before its first token
// it is undone as a cancelled one is, so that it has generated nothing and left no trace. A session whose budget is
// used up stays, and can be read; every further turn finishes at once with kSessionBudget, without being admitted: no
// prompt is fed, no turn number given out. Turns without a reply (AppendMessages) are bounded by their own length: no
// budget ends or refuses them, but their time counts. A fork has its parent's budget and what was used of it.

#ifndef PERENNIAL_SERVER_ENGINE_BUDGETS_H_
#define PERENNIAL_SERVER_ENGINE_BUDGETS_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/engine/engine.h"
#include "server/engine/session.h"
#include "server/engine/turn.h"

namespace perennial {

// INVALID_FIELD unless they are in range and within the server's limits; "no limit" is within every limit.
absl::Status CheckMaxTime(absl::Duration max_time, const EngineOptions& options);
absl::Status CheckBudget(const SessionBudget& budget, const EngineOptions& options);

// "No limit" becomes the server's. REQUIRES: the value was checked.
absl::Duration LimitedMaxTime(absl::Duration max_time, const EngineOptions& options);
SessionBudget LimitedBudget(SessionBudget budget, const EngineOptions& options);

// True if nothing of `budget` is left.
bool IsUsedUp(const SessionBudget& budget, const SessionBudget& used);

// True if that refuses the turn.
inline bool IsUsedUpFor(const TurnSpec& spec, const SessionBudget& budget, const SessionBudget& used) {
  return spec.reply && IsUsedUp(budget, used);
}

// When a running turn's time ends, its own or its session's, and with which reason.
struct TimeEnd {
  absl::Time at = absl::InfiniteFuture();
  FinishReason reason = FinishReason::kTurnBudget;
};

// Of a turn admitted at `admitted` in a session that has used `used` of `budget` by then.
TimeEnd TimeEndOf(absl::Time admitted, const TurnSpec& spec, const SessionBudget& budget, const SessionBudget& used);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_BUDGETS_H_
