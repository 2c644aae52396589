// Gives sessions their caches: new ones, parked ones brought back, copies for forks; and parks idle sessions, least
// recently used first, where there is no room.
//
// One session at a time is *next*: it keeps that place until it has what it needs, so that the room made for it goes to
// nobody else, whatever their sizes. To make room, every session is parked that no turn runs in and whose own waiting
// turn (if it has one) came later: so nobody waits longer than for the turns that run now, and for those that came
// before. Sessions that have their cache meanwhile pass those whose cache is on its way.
//
// That there is always enough to park, once turns have ended, is CacheReservations' promise.

#ifndef PERENNIAL_SERVER_ENGINE_CACHE_SUPPLY_H_
#define PERENNIAL_SERVER_ENGINE_CACHE_SUPPLY_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/model_runner.h"
#include "server/engine/cache_mover.h"
#include "server/engine/live_session.h"
#include "server/engine/parked_store.h"
#include "server/engine/turn_queue.h"

namespace perennial {

// Engine thread only. It alone takes and gives up caches. Everything pointed to must outlive it.
class CacheSupply {
 public:
  // What is to be told to whoever waits.
  struct Outcome {
    CacheMover::Kind kind = CacheMover::Kind::kResume;
    LiveSession* session =
        nullptr;                    // whose cache is there or does not come; a fork: the new one; kPark: who was parked
    LiveSession* source = nullptr;  // kFork: whose copy it is
    absl::Status status;            // OK, or STORE_UNAVAILABLE: nothing is lost, trying again makes sense
    absl::Status cause;             // for the log
  };
  struct Counts {
    int64_t parked_sessions = 0;  // now
    int64_t parked = 0;           // since the start, as are these
    int64_t resumed = 0;
    int64_t forked = 0;
  };

  // `queue`: whose turns wait for caches.
  CacheSupply(ModelRunner* runner, ParkedStore* store, TurnQueue* queue, int64_t copy_bytes_per_step,
              absl::Duration retry_after)
      : runner_(runner), store_(store), queue_(queue), mover_(runner, copy_bytes_per_step), retry_after_(retry_after) {}

  // Copies the cache of `source` to `fork`, which is not in use yet; the Outcome comes from Provide or Move. `source`
  // is frozen until then (LiveSession::forks). REQUIRES: source->has_slots().
  void Fork(LiveSession* source, LiveSession* fork);

  // Gives caches to those who wait for one (forks, then turns in the order in which they are to be admitted)
  // as far as there is room, and begins to make room for the next. True if it did anything. Returns early with an
  // Outcome if something fails at once: whoever waits for it must be told before the next call.
  bool Provide(std::vector<Outcome>& outcomes);

  // Copies for one pass: between two steps. Moves that ended are in `outcomes`.
  bool Move(std::vector<Outcome>& outcomes);

  // The session is about to go: its moves are dropped. Returns the forks of it, and itself if it is one, that will not
  // come to an end, and forgets them.
  std::vector<LiveSession*> Forget(LiveSession* session);

  int64_t copied_bytes() const { return mover_.copied_bytes(); }
  const Counts& counts() const { return counts_; }

 private:
  // `arrival`: when it was asked for, on the queue's count.
  struct PendingFork {
    LiveSession* source;
    LiveSession* fork;
    int64_t arrival;
    bool copying = false;
  };

  bool InNeed(const LiveSession& session) const;
  LiveSession* NextInNeed() const;
  // True if the session got what it needs or that is under way, false if there is no room yet.
  absl::StatusOr<bool> Serve(LiveSession* session);
  // Parks what has to go for `bytes` more to be free for one who came at `arrival`. OK if that is under way, or turns
  // must end first.
  absl::Status MakeRoom(int64_t bytes, int64_t arrival);
  LiveSession* NextToPark(int64_t arrival) const;
  Outcome Ended(const CacheMover::EndedMove& move);
  // The session does not get what it waits for.
  Outcome Fail(LiveSession* session, absl::Status cause);
  PendingFork* ForkTo(const LiveSession* session);
  const PendingFork* ForkTo(const LiveSession* session) const;
  void ForgetFork(const LiveSession* fork);
  int64_t ArrivalOf(const LiveSession* session) const;

  ModelRunner* const runner_;
  ParkedStore* const store_;
  TurnQueue* const queue_;
  CacheMover mover_;
  const absl::Duration retry_after_;

  LiveSession* next_ = nullptr;     // whom room is made for
  std::vector<PendingFork> forks_;  // in the order in which they were asked for
  std::vector<LiveSession*> with_cache_;
  Counts counts_;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_CACHE_SUPPLY_H_
