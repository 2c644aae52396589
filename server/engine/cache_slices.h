// Which slots of a cache hold anything, cut into pieces that can be copied one by one.

#ifndef PERENNIAL_SERVER_ENGINE_CACHE_SLICES_H_
#define PERENNIAL_SERVER_ENGINE_CACHE_SLICES_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "model/model_runner.h"
#include "model/sink_window.h"
#include "server/engine/parked_store.h"

namespace perennial {

struct SlotRange {
  int32_t first_slot = 0;
  int32_t num_slots = 0;  // >= 1
  bool operator==(const SlotRange&) const = default;
};

// The slots that a token to come may read: sinks fed, notes in use, and the window [horizon, num_tokens), which wraps
// round its ring. Ascending; at most four.
std::vector<SlotRange> ValidSlots(const SinkWindow& window, int32_t num_notes);

// A piece of a cache in Export's layout, which is not the same for another cut: who reads it back uses the same slices.
struct CacheSlice {
  SlotRange slots;
  int64_t offset = 0;  // in a compacted cache
  int64_t bytes = 0;
};

// Cuts `ranges` into slices of at most `max_bytes` bytes, but of one slot at least.
std::vector<CacheSlice> CutSlices(const ModelRunner& runner, const KvCache& cache, const std::vector<SlotRange>& ranges,
                                  int64_t max_bytes);

inline int64_t TotalBytes(const std::vector<CacheSlice>& slices) {
  return slices.empty() ? 0 : slices.back().offset + slices.back().bytes;
}

// A cache outside device memory, compacted to its valid slots. The rest of its state is the session's SinkWindow, which
// may be rewound meanwhile: then some slices hold more than is needed.
struct ParkedCache {
  std::vector<CacheSlice> slices;
  int32_t num_notes = 0;
  std::unique_ptr<ParkedBytes> bytes;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_CACHE_SLICES_H_
