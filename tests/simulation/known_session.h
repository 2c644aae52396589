// A session as its clients know it, and what its turns must say.

#ifndef PERENNIAL_TESTS_SIMULATION_KNOWN_SESSION_H_
#define PERENNIAL_TESTS_SIMULATION_KNOWN_SESSION_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/session.h"
#include "tests/server/engine/stream_oracle.h"
#include "tests/simulation/turn_story.h"

namespace perennial {

// Checks a session's turns against its oracle, in the order of the stream. What clients learn comes later and in any
// order (they are away, come back, replay), so it is put down first and checked as soon as all before it is known.
class SessionTruth {
 public:
  // The session began as `oracle`, after turn `last_turn` (of its parent; 0).
  void Begin(std::unique_ptr<StreamOracle> oracle, int64_t last_turn, std::vector<int64_t> turns = {},
             std::string log = "");

  // A turn was admitted.
  void AddTurn(const std::shared_ptr<TurnStory>& story);

  // `action` happened when `last_turn` was the newest turn and had ended.
  using Action = std::function<void(SessionTruth&)>;
  void AddAction(int64_t last_turn, Action action);

  // The notes became `tokens` when `last_turn` was the newest turn and `at` tokens of the stream were in the cache.
  void AddNotes(int64_t last_turn, int64_t at, std::vector<TokenId> tokens);

  // Checks what can be checked. Call it after every end and every action.
  void Settle();

  // A turn's fate cannot be known: nothing more is checked.
  void Lose();

  // ---- For actions: everything before is settled. ----
  const StreamOracle& oracle() const { return *oracle_; }
  void Rewind(int64_t to_turn);
  std::unique_ptr<StreamOracle> ForkOracle() { return oracle_->Fork(); }
  const std::vector<int64_t>& turns() const { return turns_; }

  // All up to this turn is checked.
  int64_t settled_turn() const { return last_turn_; }
  // What was settled, for messages.
  const std::string& log() const { return log_; }
  int64_t turns_checked() const { return turns_checked_; }
  bool lost() const { return lost_; }

 private:
  struct Notes {
    int64_t last_turn;
    int64_t actions;  // that came before
    int64_t at;
    std::vector<TokenId> tokens;
  };

  void Check(const TurnStory& story);
  // Gives the oracle the notes that came before what is checked next.
  void HandOverNotes();

  std::unique_ptr<StreamOracle> oracle_;
  std::vector<int64_t> turns_;                             // the numbers of those in the stream
  int64_t last_turn_ = 0;                                  // settled
  std::map<int64_t, std::shared_ptr<TurnStory>> stories_;  // not yet settled
  std::multimap<int64_t, Action> actions_;                 // by the turn after which they came
  std::vector<Notes> notes_;
  std::string log_;  // for messages
  int64_t actions_added_ = 0;
  int64_t actions_done_ = 0;
  bool lost_ = false;
  int64_t turns_checked_ = 0;
};

struct KnownSession {
  std::string id;  // empty: not yet known, it is made for one turn
  SessionSpec spec;
  SessionTruth truth;
  int64_t last_turn = 0;  // the newest that anybody has heard of
  int32_t forks_under_way = 0;
  // Its notes, as its client knows them.
  bool notes_under_way = false;
  std::vector<TokenId> note_text;                  // empty: never written
  std::map<int64_t, std::vector<TokenId>> pinned;  // by turn
  std::vector<TokenId> written_notes;              // as the runner saw them last
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SIMULATION_KNOWN_SESSION_H_
