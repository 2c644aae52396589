#include "server/engine/cache_slices.h"

#include <algorithm>

namespace perennial {
namespace {

void AddRange(int64_t first, int64_t count, std::vector<SlotRange>& ranges) {
  if (count <= 0) return;
  if (!ranges.empty() && ranges.back().first_slot + ranges.back().num_slots == first) {
    ranges.back().num_slots += static_cast<int32_t>(count);
  } else {
    ranges.push_back({static_cast<int32_t>(first), static_cast<int32_t>(count)});
  }
}

}  // namespace

std::vector<SlotRange> ValidSlots(const SinkWindow& window, int32_t num_notes) {
  const CacheShape& shape = window.shape();
  std::vector<SlotRange> ranges;
  AddRange(0, std::min<int64_t>(window.num_tokens(), shape.sink_tokens), ranges);
  AddRange(shape.sink_tokens, num_notes, ranges);
  const int64_t count = window.num_tokens() - window.horizon();
  if (count <= 0) return ranges;
  const int32_t ring = shape.sink_tokens + shape.note_tokens;
  const int32_t first = SlotOf(shape, window.horizon());
  const int64_t wrapped = std::max<int64_t>(first + count - shape.capacity(), 0);
  AddRange(ring, wrapped, ranges);
  AddRange(first, count - wrapped, ranges);
  return ranges;
}

std::vector<CacheSlice> CutSlices(const ModelRunner& runner, const KvCache& cache, const std::vector<SlotRange>& ranges,
                                  int64_t max_bytes) {
  const auto slots = static_cast<int32_t>(
      std::clamp<int64_t>(max_bytes / std::max<int64_t>(1, runner.ExportBytes(cache, 1)), 1, cache.shape().capacity()));
  std::vector<CacheSlice> slices;
  int64_t offset = 0;
  for (const SlotRange& range : ranges) {
    for (int32_t done = 0; done < range.num_slots; done += slots) {
      const int32_t count = std::min(slots, range.num_slots - done);
      const int64_t bytes = runner.ExportBytes(cache, count);
      slices.push_back({{range.first_slot + done, count}, offset, bytes});
      offset += bytes;
    }
  }
  return slices;
}

}  // namespace perennial
