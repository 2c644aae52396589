// A simulated client's end of a turn: what it is told is checked as it comes.

#ifndef PERENNIAL_TESTS_SIMULATION_FOLLOWER_H_
#define PERENNIAL_TESTS_SIMULATION_FOLLOWER_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/numeric/int128.h"
#include "server/engine/turn.h"
#include "tests/simulation/turn_story.h"

namespace perennial {

// One thread. Adds a test failure if numbers have a gap, if it is told anything while it does not read or after its
// end, or if a state is not the first event of one that attached, and only there.
class Follower final : public TurnSink {
 public:
  enum class Kind {
    kStarter,   // submitted the turn
    kRetry,     // submitted it again
    kAttached,  // attached to it
  };

  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void OnEvent(Follower& follower, const TurnEvent& event) = 0;
    virtual void OnEnd(Follower& follower, const TurnResult& result) = 0;
  };

  // `listener` is told after the checks and must outlive the follower.
  Follower(Kind kind, std::shared_ptr<TurnRequest> request, Listener* listener)
      : kind_(kind), request_(std::move(request)), listener_(listener) {}

  void OnEvent(TurnEvent event) override;
  void OnFinish(TurnResult result) override;
  bool ReadyForMore() const override { return reads_; }

  // The client reads, or does not. Engine::Wake must be called after true.
  void SetReads(bool reads) { reads_ = reads; }

  Kind kind() const { return kind_; }
  const std::shared_ptr<TurnRequest>& request() const { return request_; }
  bool finished() const { return finished_; }
  bool reads() const { return reads_; }
  // What it was told before it knew which turn this is.
  std::vector<TurnEvent> TakeUntold() { return std::exchange(untold_, {}); }

  static constexpr int64_t kOldest = -1;

  std::shared_ptr<TurnTicket> ticket;
  int64_t wanted = 1;                // the first event that it asked for, or kOldest
  std::shared_ptr<TurnStory> story;  // once known
  bool left = false;                 // its ticket was told
  int64_t last_progress = 0;         // the pass of its last event, or of its last pause
  int64_t reading_since = 0;         // the pass: then it has all that there is, one later
  int32_t position = -1;             // last told; -1: none
  bool started = false;
  absl::uint128 fingerprint = 0;  // of what it submitted

 private:
  const Kind kind_;
  const std::shared_ptr<TurnRequest> request_;
  Listener* const listener_;
  bool reads_ = true;
  bool finished_ = false;
  bool told_anything_ = false;
  int64_t last_sequence_ = 0;
  std::vector<TurnEvent> untold_;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SIMULATION_FOLLOWER_H_
