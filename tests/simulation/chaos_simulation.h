// The whole engine under a seeded storm: clients that come, cancel, stall, leave and come back, send twice, interrupt,
// delete and run into deadlines; failing steps, full queues, expiring sessions; a drain. One thread, one clock, one
// source of randomness: a seed is a run, and a failing one replays.
//
// After every pass of the engine its books must balance (chaos_checks.cc), what the readers of a turn are told
// must be the same number by number (follower.h, turn_story.h), and every reply must be what the StreamOracle says
// (known_session.h). The engine is only driven when it has asked for it (engine_driver.h).

#ifndef PERENNIAL_TESTS_SIMULATION_CHAOS_SIMULATION_H_
#define PERENNIAL_TESTS_SIMULATION_CHAOS_SIMULATION_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/engine.h"
#include "server/engine/host_memory_store.h"
#include "tests/fake_clock.h"
#include "tests/fake_model_runner.h"
#include "tests/server/engine/stream_oracle.h"
#include "tests/simulation/engine_driver.h"
#include "tests/simulation/follower.h"
#include "tests/simulation/known_session.h"
#include "tests/simulation/seeded_choice.h"
#include "tests/simulation/tally.h"
#include "tests/simulation/turn_story.h"

namespace perennial {

class ChaosSimulation final : private Follower::Listener {
 public:
  explicit ChaosSimulation(uint64_t seed);
  ~ChaosSimulation() override;

  // Runs to the end: at least kLeastSteps steps and kLeastSessions sessions of storm, calm or drain, stop. Failures are
  // test failures.
  void Run();
  static constexpr int64_t kLeastSteps = 500;
  static constexpr int64_t kLeastSessions = 20;

  const Tally& tally() const { return tally_; }

 private:
  // ---- What may happen between two passes: chaos_clients.cc. ----
  void Act();
  void CreateSession();
  void CreateAgain(const SessionSpec& spec, const std::shared_ptr<KnownSession>& session);
  void CallAboutSession();
  void Ask();
  TurnSpec NewTurn();
  void AskAgain();
  void Attach();
  void DisturbFollower();
  void CancelTurn();
  void DisturbRunner();
  void PassTime();

  // ---- Notes: chaos_notes.cc. ----
  void SetNotes();
  void WriteNotes(const std::shared_ptr<KnownSession>& session);
  void PinTurn();
  void CheckNotes(KnownSession& session, const std::vector<TokenId>& text, const SessionNotes& notes);
  bool CanBeFollowed(const KnownSession& session) const;
  // The runner is given this.
  void OnStep(absl::Span<const StepInput> batch);

  // ---- Copies, and going back: chaos_forks.cc. ----
  void Fork();
  void ForkAgain(ForkSpec spec, const std::string& first);
  void Rewind();
  void RewindAgain(const RewindSpec& spec);
  void GetTranscript();
  void CountRefusal(absl::string_view call, const absl::Status& status);
  absl::Status MayFail();

  std::shared_ptr<Follower> Follow(Follower::Kind kind, const std::shared_ptr<TurnRequest>& request);
  // `otherwise`: as if another request had the same id.
  void Submit(const std::shared_ptr<TurnRequest>& request, Follower::Kind kind, bool otherwise = false);
  void Leave(Follower& follower);
  void Wake() { engine_->Wake(); }
  std::shared_ptr<KnownSession> AnySession();
  std::shared_ptr<TurnRequest> AnyRequest();
  // A turn that nobody follows and whose end nobody knows.
  std::shared_ptr<TurnRequest> AnyOrphan();
  std::shared_ptr<Follower> AnyFollower();

  // ---- What the engine says: chaos_readers.cc. ----
  void OnEvent(Follower& follower, const TurnEvent& event) override;
  void OnEnd(Follower& follower, const TurnResult& result) override;
  void OnState(const TurnState& state);
  void Recognise(Follower& follower, const std::string& session_id, int64_t turn);
  void BeginStory(const std::shared_ptr<TurnStory>& story);
  void OnTurnEnd(const TurnStory& story);
  void OnOwnEnd(const Follower& follower, const TurnResult& result);
  void Forget(const std::shared_ptr<KnownSession>& session);

  // ---- What must hold: chaos_checks.cc. ----
  void Pass();
  void CheckBooks();
  void CheckFollowers(const EngineStats& stats);
  void CheckProgress();
  void CheckSleep();
  void CheckSession(const std::shared_ptr<KnownSession>& session, const SessionSummary& summary);
  // The most steps between two services of a running turn, as scheduler.h promises them.
  int64_t MostStepsUnserved() const;
  void Storm();
  void Calm();
  void Drain();
  void CheckEnd();

  EngineOptions MakeOptions();
  std::unique_ptr<StreamOracle> MakeOracle(const SessionSpec& spec) const;

  SeededChoice choice_;
  const bool mixed_;   // turns differ in tenant and priority
  const bool faulty_;  // steps fail often
  FakeClock clock_;
  FakeScript script_;
  EngineOptions options_;
  std::unique_ptr<FakeModelRunner> runner_;
  std::shared_ptr<FakeModelRunner> oracle_runner_;
  std::optional<HostMemoryStore> parked_store_;
  std::unique_ptr<Engine> engine_;
  std::optional<EngineDriver> driver_;

  std::vector<std::shared_ptr<KnownSession>> sessions_;  // that are not known to be gone
  std::vector<std::shared_ptr<TurnRequest>> requests_;   // that somebody may come back to
  std::vector<std::shared_ptr<Follower>> followers_;     // not yet ended
  std::map<std::pair<std::string, int64_t>, std::shared_ptr<TurnStory>> stories_;
  std::map<int64_t, std::shared_ptr<KnownSession>> notes_;  // by their mark
  int64_t next_notes_ = 1;
  int64_t next_request_ = 1;
  int64_t submitted_ = 0;
  int64_t fed_ = 0;  // sums over the turns whose end is known
  int64_t generated_ = 0;
  int64_t evicted_ = 0;
  int64_t most_active_turns_ = 0;  // at once, whose readers read
  Tally tally_;
};

// Runs `num_seeds` seeds, or only the environment's PERENNIAL_SEED if it is set. Stops at the first that fails and
// prints how to replay it. Returns what happened in all of them.
Tally RunChaos(uint64_t first_seed, uint64_t num_seeds);

// A test failure if the storm never raised one of the things that it is made to raise.
void ExpectStorm(const Tally& tally);

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SIMULATION_CHAOS_SIMULATION_H_
