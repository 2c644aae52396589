// The whole engine under a seeded storm: clients that come, cancel, stall, delete, fork, rewind and run into deadlines;
// failing steps; expiring sessions; a drain. One thread, one clock, one source of randomness: a seed is a run, and a
// failing one replays.
//
// After every pass of the engine its books must balance, and every reply must be what the ReplyOracle says.

#ifndef PERENNIAL_TESTS_SIMULATION_ENGINE_SIMULATION_H_
#define PERENNIAL_TESTS_SIMULATION_ENGINE_SIMULATION_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "server/engine/engine.h"
#include "tests/fake_clock.h"
#include "tests/fake_model_runner.h"
#include "tests/recording_turn_sink.h"
#include "tests/server/engine/reply_oracle.h"

namespace perennial {

class EngineSimulation {
 public:
  explicit EngineSimulation(uint64_t seed);
  ~EngineSimulation();

  // Runs to the end: storm, drain, stop. Failures are test failures.
  void Run();

  // What happened, so that a test can see that the storm was one.
  struct Tally {
    int64_t passes = 0;
    std::map<std::string, int64_t> endings;  // "OK", "undone", "cut" or the reason's name → turns
    void Add(const Tally& other);
  };
  const Tally& tally() const { return tally_; }

 private:
  // A session as its client knows it. No oracle: turn-wise eviction, where only the books are checked.
  struct Turn;
  // A turn that has ended, as its client saw it.
  struct Ended {
    TurnSpec spec;
    std::string text;
    bool reads;  // else the client was not reading at the end
    TurnResult result;
  };
  struct Client {
    std::string session_id;
    std::unique_ptr<ReplyOracle> oracle;
    const Turn* running = nullptr;   // one of its turns that has started and not ended
    std::map<int64_t, Ended> ended;  // by number; those that cannot be checked yet
    int64_t next_turn = 1;           // to be checked
  };
  struct Turn {
    RecordingTurnSink sink;
    TurnSpec spec;
    std::shared_ptr<TurnTicket> ticket;
    std::shared_ptr<Client> client;
    bool started = false;
    bool stalled = false;  // its client did not read for a while: it may learn late what happened
    int64_t prompt_tokens = 0;
    int64_t last_progress = 0;  // the pass of its last event or of its last pause
    int32_t position = -1;      // last told; -1: none
  };

  int64_t Random(int64_t least, int64_t most);  // inclusive
  bool OneIn(int64_t n) { return Random(1, n) == 1; }
  std::shared_ptr<Client> AnyClient();
  absl::Status MayFail();  // of a copy

  // What may happen between two passes.
  void Act();
  void CreateSession();
  void SubmitTurn();
  void CallAboutSession();  // this and the next two: engine_simulation_calls.cc
  void ForkSession(const std::shared_ptr<Client>& parent);
  void RewindSession(const std::shared_ptr<Client>& client);
  void DisturbTurn();
  void DisturbRunner();

  void Pass();
  void OnEvent(Turn& turn, const TurnEvent& event);
  void OnFinish(Turn& turn, const TurnResult& result);
  void CheckReply(Client& client, const Ended& turn);
  void CheckBooks();
  void CheckProgress();
  void ForgetEndedTurns();

  // The most steps between two services of a running turn, as scheduler.h promises them.
  int64_t MostStepsUnserved() const;

  std::mt19937_64 random_;
  bool mixed_;  // turns differ in tenant and priority
  EngineOptions options_;
  std::vector<TokenId> alphabet_;
  FakeScript script_;
  FakeClock clock_;
  std::unique_ptr<FakeModelRunner> runner_;
  std::unique_ptr<Engine> engine_;

  std::vector<std::shared_ptr<Client>> clients_;
  std::list<Turn> turns_;  // not yet forgotten; addresses are stable
  int64_t submitted_ = 0;
  int64_t fed_ = 0;  // sums over the turns that have ended
  int64_t generated_ = 0;
  int64_t evicted_ = 0;
  Tally tally_;
};

// Runs `num_seeds` seeds, or only the environment's PERENNIAL_SEED if it is set. Stops at the first that fails and
// prints how to replay it. Fails too if the storm never raised one of the endings that it is made to raise.
void RunSimulations(uint64_t first_seed, uint64_t num_seeds);

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SIMULATION_ENGINE_SIMULATION_H_
