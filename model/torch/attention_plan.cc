#include "model/torch/attention_plan.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "model/check.h"

namespace perennial {
namespace {

constexpr float kHidden = -std::numeric_limits<float>::infinity();

// A query's and a key's whereabouts inside the cache: all that visibility depends on.
struct Query {
  int64_t index = 0;         // t; notes: -1
  int64_t window_begin = 0;  // b(t)
  int64_t place = 0;         // p(t)
};
struct Key {
  enum class Group { kSink, kNote, kWindow } group;
  int64_t position = 0;  // place of a head key, index of a windowed key
};

// Inside the cache; negative for a key that comes later.
int64_t Distance(const Query& query, const Key& key) {
  return (key.group == Key::Group::kWindow ? query.index : query.place) - key.position;
}

bool Sees(const CacheShape& shape, const Query& query, const Key& key, int32_t layer_window) {
  const bool windowed = key.group == Key::Group::kWindow;
  const int64_t distance = Distance(query, key);
  if (distance < 0) return false;
  if (layer_window > 0 && distance >= layer_window) return false;
  if (windowed) return key.position >= query.window_begin;
  // A sink does not see notes; a note (index -1) and a windowed token do.
  return key.group != Key::Group::kNote || query.index < 0 || query.index >= shape.sink_tokens;
}

// Collects runs, joining neighbours that are scored with the same query.
class RunList {
 public:
  explicit RunList(std::vector<KeyRun>& runs) : runs_(runs) {}

  void Add(int64_t first_slot, int64_t num_slots, bool by_place) {
    if (num_slots <= 0) return;
    if (!runs_.empty() && runs_.back().by_place == by_place &&
        runs_.back().first_slot + runs_.back().num_slots == first_slot) {
      runs_.back().num_slots += static_cast<int32_t>(num_slots);
      return;
    }
    runs_.push_back({static_cast<int32_t>(first_slot), static_cast<int32_t>(num_slots), by_place});
  }

  // The window's tokens [begin, end), which lie in the ring in at most two runs. Adds their keys to `keys`, in the
  // order of the slots.
  void AddWindow(const CacheShape& shape, int64_t begin, int64_t end, std::vector<Key>& keys) {
    if (begin >= end) return;
    const int32_t ring = shape.sink_tokens + shape.note_tokens;
    const int64_t window = shape.window_tokens;
    PERENNIAL_CHECK(begin >= shape.sink_tokens && end - begin <= window);
    const int64_t first = (begin - shape.sink_tokens) % window;
    const int64_t straight = std::min(end - begin, window - first);  // tokens up to the ring's end
    const int64_t wrapped = end - begin - straight;
    if (wrapped > 0 && wrapped == first) {  // the whole ring: one run, starting in the middle of the tokens
      for (int64_t u = end - wrapped; u < end; ++u) keys.push_back({Key::Group::kWindow, u});
      for (int64_t u = begin; u < begin + straight; ++u) keys.push_back({Key::Group::kWindow, u});
      Add(ring, window, false);
      return;
    }
    for (int64_t u = begin; u < end; ++u) keys.push_back({Key::Group::kWindow, u});
    Add(ring + first, straight, false);
    Add(ring, wrapped, false);
  }

 private:
  std::vector<KeyRun>& runs_;
};

// Leaves the mask empty where every row sees every key.
void FillMask(const CacheShape& shape, absl::Span<const Query> queries, absl::Span<const Key> keys,
              int32_t layer_window, std::vector<float>& mask) {
  mask.assign(queries.size() * keys.size(), 0.0f);
  bool hides = false;
  for (size_t row = 0; row < queries.size(); ++row) {
    for (size_t column = 0; column < keys.size(); ++column) {
      if (Sees(shape, queries[row], keys[column], layer_window)) continue;
      mask[row * keys.size() + column] = kHidden;
      hides = true;
    }
  }
  if (!hides) mask.clear();
}

void FillDistances(absl::Span<const Query> queries, absl::Span<const Key> keys, std::vector<float>& distances) {
  distances.reserve(queries.size() * keys.size());
  for (const Query& query : queries) {
    for (const Key& key : keys) distances.push_back(static_cast<float>(Distance(query, key)));
  }
}

// First head place or windowed token that lies nearer than the layer's own window, seen from `position`.
int64_t NearestAllowed(int64_t lowest, int64_t position, int32_t layer_window) {
  return layer_window > 0 ? std::max(lowest, position - layer_window + 1) : lowest;
}

}  // namespace

int32_t AttentionPlan::num_keys() const {
  int32_t keys = num_rows() - first_own_row;
  for (const KeyRun& run : runs) keys += run.num_slots;
  return keys;
}

bool AttentionPlan::needs_places() const {
  return std::any_of(runs.begin(), runs.end(), [](const KeyRun& run) { return run.by_place; });
}

AttentionPlan PlanStream(const CacheShape& shape, int64_t num_tokens, int32_t num_notes,
                         absl::Span<const int64_t> window_begin, const PlanOptions& options) {
  const int32_t layer_window = options.layer_window;
  const int64_t sinks = shape.sink_tokens;
  const int64_t rows = static_cast<int64_t>(window_begin.size());
  const int64_t end = num_tokens + rows;
  PERENNIAL_CHECK(rows > 0);

  AttentionPlan plan;
  std::vector<Query> queries(window_begin.size());
  bool gap_closed = false;  // some query's place is not its index: the head needs the second rotation
  int64_t nearest_place = std::numeric_limits<int64_t>::max();  // not always the first row's: b(t) may jump
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t t = num_tokens + row;
    const int64_t place = PlaceOf(shape, num_notes, t, window_begin[row]);
    queries[row] = {t, window_begin[row], place};
    plan.indices.push_back(t);
    plan.places.push_back(place);
    gap_closed |= place != t;
    nearest_place = std::min(nearest_place, place);
  }

  // Columns: sinks, notes, what the first row sees of the ring, and the chunk's own windowed keys. One row alone needs
  // no mask: its runs are cut to exactly what it sees.
  const Query& oldest = queries.front();
  const bool any_windowed = end > sinks;
  RunList runs(plan.runs);
  std::vector<Key> keys;

  const int64_t head_begin = NearestAllowed(0, nearest_place, layer_window);
  const int64_t sinks_end = std::min(sinks, end);
  for (int64_t place = head_begin; place < sinks_end; ++place) keys.push_back({Key::Group::kSink, place});
  runs.Add(head_begin, sinks_end - head_begin, gap_closed);
  if (any_windowed) {
    const int64_t notes_begin = std::max(head_begin, sinks);
    for (int64_t place = notes_begin; place < sinks + num_notes; ++place) keys.push_back({Key::Group::kNote, place});
    runs.Add(notes_begin, sinks + num_notes - notes_begin, gap_closed);
  }

  const int64_t ring_begin = NearestAllowed(oldest.window_begin, oldest.index, layer_window);
  const bool single = rows == 1;
  // A single token's key takes the slot of the one token that has just left its window: it can be written first.
  runs.AddWindow(shape, ring_begin, single ? end : num_tokens, keys);
  plan.first_own_row = static_cast<int32_t>(single ? rows : std::clamp<int64_t>(sinks - num_tokens, 0, rows));
  for (int64_t row = plan.first_own_row; row < rows; ++row) keys.push_back({Key::Group::kWindow, num_tokens + row});

  for (int64_t row = 0; row < rows; ++row) {
    const int64_t t = num_tokens + row;
    const AttentionPlan::Write write = {static_cast<int32_t>(row), SlotOf(shape, t)};
    if (single || t < sinks) {
      plan.writes_before.push_back(write);
    } else if (t >= end - shape.window_tokens) {  // the newest W of a long chunk
      plan.writes_after.push_back(write);
    }
  }
  FillMask(shape, queries, keys, layer_window, plan.mask);
  if (options.distances) FillDistances(queries, keys, plan.distances);
  PERENNIAL_CHECK(static_cast<size_t>(plan.num_keys()) == keys.size());
  return plan;
}

AttentionPlan PlanNotes(const CacheShape& shape, int64_t num_tokens, int32_t num_notes, const PlanOptions& options) {
  PERENNIAL_CHECK(num_notes >= 1 && num_notes <= shape.note_tokens);
  const int64_t sinks = shape.sink_tokens;
  AttentionPlan plan;
  std::vector<Query> queries;
  std::vector<Key> keys;
  const int64_t fed_sinks = std::min(sinks, num_tokens);
  for (int64_t place = 0; place < fed_sinks; ++place) keys.push_back({Key::Group::kSink, place});
  for (int64_t place = sinks; place < sinks + num_notes; ++place) {
    keys.push_back({Key::Group::kNote, place});
    queries.push_back({-1, 0, place});
    plan.indices.push_back(place);
    plan.places.push_back(place);
    const int32_t row = static_cast<int32_t>(place - sinks);
    plan.writes_before.push_back({row, static_cast<int32_t>(place)});
  }
  RunList runs(plan.runs);
  runs.Add(0, fed_sinks, false);
  runs.Add(sinks, num_notes, false);
  plan.first_own_row = num_notes;
  FillMask(shape, queries, keys, options.layer_window, plan.mask);
  if (options.distances) FillDistances(queries, keys, plan.distances);
  return plan;
}

}  // namespace perennial
