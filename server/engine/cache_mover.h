// Copies caches between device memory and a ParkedStore, a little between any two steps, so that no turn of another
// session stalls while a big cache is moved. Parking, resuming and forking are the same loop with other ends.
//
// While a cache is moved its session is leased by the mover (LiveSession::moves > 0): no turn runs in it. Its stream
// may be rewound meanwhile: what was written to a slot stays there.

#ifndef PERENNIAL_SERVER_ENGINE_CACHE_MOVER_H_
#define PERENNIAL_SERVER_ENGINE_CACHE_MOVER_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "model/model_runner.h"
#include "server/engine/cache_slices.h"
#include "server/engine/live_session.h"
#include "server/engine/parked_store.h"

namespace perennial {

// Engine thread only. Owns the unfinished end of every move; a move that fails or is aborted leaves the other end as it
// was, so that nothing is lost.
class CacheMover {
 public:
  enum class Kind { kPark, kResume, kFork };

  struct EndedMove {
    Kind kind = Kind::kPark;
    LiveSession* session = nullptr;  // whose cache it became
    LiveSession* source = nullptr;   // whose it was: the same, but for a fork
    absl::Status status;             // not OK: nothing was moved
  };

  // `bytes_per_pass` >= 1. `runner` must outlive the mover.
  CacheMover(ModelRunner* runner, int64_t bytes_per_pass) : runner_(runner), bytes_per_pass_(bytes_per_pass) {}

  // The slices of `source`'s cache, wherever it is.
  std::vector<CacheSlice> SlicesOf(const LiveSession& source) const;

  // Moves session->cache into `room`. When it has ended, the cache is gone and session->parked is set.
  // REQUIRES: room->size_bytes() == TotalBytes(SlicesOf(*session)); the session has a cache and is not being moved.
  void Park(LiveSession* session, std::unique_ptr<ParkedBytes> room);

  // Moves session->parked into `cache`, an empty one of the session's shape: then session->cache is set.
  void Resume(LiveSession* session, std::unique_ptr<KvCache> cache);

  // Copies the cache of `source`, wherever it is, to `session`, which has none: to exactly one of the two ends.
  void Fork(LiveSession* source, LiveSession* session, std::unique_ptr<KvCache> cache,
            std::unique_ptr<ParkedBytes> room);

  // One pass: copies at most bytes_per_pass (but a slice at least), oldest move first. Returns the moves that ended, in
  // that order. Sets `copied` if anything was done.
  std::vector<EndedMove> Run(bool& copied);

  // Drops every move from or to `session`, which is about to go.
  void Abort(const LiveSession* session);

  bool idle() const { return moves_.empty(); }
  int64_t copied_bytes() const { return copied_bytes_; }  // since the start, as is …
  int64_t num_begun() const { return num_begun_; }        // … the number of moves
  // Device memory that the parks under way will set free.
  int64_t coming_free_bytes() const;

 private:
  struct Move {
    Kind kind;
    LiveSession* session;
    LiveSession* source;
    std::vector<CacheSlice> slices;
    int32_t num_notes;
    std::unique_ptr<KvCache> cache;     // the end in device memory, or …
    std::unique_ptr<ParkedBytes> room;  // … in the store
    size_t next = 0;                    // slice
  };

  void Add(Kind kind, LiveSession* source, LiveSession* session, std::unique_ptr<KvCache> cache,
           std::unique_ptr<ParkedBytes> room);
  absl::Status Copy(const Move& move, const CacheSlice& slice);
  EndedMove End(Move& move, absl::Status status);

  ModelRunner* const runner_;
  const int64_t bytes_per_pass_;
  std::list<Move> moves_;
  std::vector<std::byte> buffer_;  // one slice
  int64_t copied_bytes_ = 0;
  int64_t num_begun_ = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_CACHE_MOVER_H_
