// What one input of a step reads, writes and sees: the design's rule turned into slot ranges and a mask, once per step
// and used by all layers. Pure arithmetic, no torch, so that it is tested against a naive model over small worlds.
//
// The two-query form of sink-window attention: every windowed key is rotated once, by its own index t, when it is
// written; every head key by its place. A query is rotated twice, by t for the window and by its place p(t) for the
// head, so that all distances are distances inside the cache. One softmax covers both score groups.
//
// The queries of a chunk see (the cache before the chunk) + (the chunk's own keys), and only then is the ring
// overwritten: a chunk may cross the sinks' end and may be longer than the window.

#ifndef PERENNIAL_MODEL_TORCH_ATTENTION_PLAN_H_
#define PERENNIAL_MODEL_TORCH_ATTENTION_PLAN_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/sink_window.h"

namespace perennial {

// Neighbouring slots of one cache whose keys are seen by (some of) the input's queries.
struct KeyRun {
  int32_t first_slot = 0;
  int32_t num_slots = 0;
  bool by_place = false;  // scored with the query rotated by its place p(t), else with the one rotated by its index
};

// m = number of the input's tokens ("rows").
struct AttentionPlan {
  std::vector<int64_t>
      indices;  // [m] rotation of the row's key, and of its query for the window: t; for notes the place
  std::vector<int64_t> places;  // [m] rotation of the row's query for the head: p(t)

  // The keys, in the order of the score columns: the runs' slots, then the rows [first_own_row, m) of the chunk itself.
  std::vector<KeyRun> runs;
  int32_t first_own_row = 0;  // m: none

  // [m, num_keys] added to the scores: 0 seen, -infinity not seen. Empty if every row sees every key.
  std::vector<float> mask;

  // [m, num_keys]: distances inside the cache, p(t) - i to the head's place i and t - u to windowed token u, where the
  // key is seen. What ALiBi needs; empty unless it was asked for.
  std::vector<float> distances;

  // Slots written before the attention (head keys; the only key of a single token) and after it (windowed keys of a
  // chunk, which would overwrite what its first rows still see). Ascending rows; a row occurs at most once in both.
  struct Write {
    int32_t row = 0;
    int32_t slot = 0;
  };
  std::vector<Write> writes_before;
  std::vector<Write> writes_after;

  int32_t num_rows() const { return static_cast<int32_t>(indices.size()); }
  int32_t num_keys() const;
  // True if some run is by_place: the second rotation of the queries is needed.
  bool needs_places() const;
};

// What a layer's attention asks of its plan.
struct PlanOptions {
  int32_t layer_window = 0;  // the layer's own window w in tokens, 0: none; hides what is w or more away in the cache
  bool distances = false;    // fill in AttentionPlan::distances

  bool operator==(const PlanOptions&) const = default;
};

// Plans the stream's next tokens, whose window begins are given. `num_tokens` were fed before, `num_notes` notes are in
// use. REQUIRES: at least one token; S <= b(t), b(t) = S for t < S, t - W < b(t) <= t otherwise, non-decreasing.
AttentionPlan PlanStream(const CacheShape& shape, int64_t num_tokens, int32_t num_notes,
                         absl::Span<const int64_t> window_begin, const PlanOptions& options);

// Plans rewriting the notes with `num_notes` tokens, which see the sinks fed so far and earlier notes only.
// REQUIRES: 1 <= num_notes <= N.
AttentionPlan PlanNotes(const CacheShape& shape, int64_t num_tokens, int32_t num_notes, const PlanOptions& options);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_ATTENTION_PLAN_H_
