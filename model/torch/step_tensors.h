// A step's plans as tensors on the model's device: made once per step, read by every layer.

#ifndef PERENNIAL_MODEL_TORCH_STEP_TENSORS_H_
#define PERENNIAL_MODEL_TORCH_STEP_TENSORS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/token.h"
#include "model/torch/attention_plan.h"
#include "model/torch/kv_cache_pool.h"
#include "model/torch/rope.h"

namespace perennial {

// One input of the batch, on the host. `cache_slots`: the cache's size, C. `blocks` outlives the step. `plans` has one
// plan for each way in which layers look at the cache (DecoderNetwork::views); they differ in runs, mask and distances
// only.
struct PlannedInput {
  const CacheBlocks* blocks = nullptr;
  int64_t cache_slots = 0;
  absl::Span<const TokenId> tokens;
  std::vector<AttentionPlan> plans;
};

// Rows of the pool whose keys and values one input's queries read.
struct KeyRows {
  int64_t num_rows = 0;
  int64_t first_row = 0;  // of neighbouring rows, read where they lie …
  at::Tensor index;       // … or int64 [num_rows] of scattered ones, which are gathered; undefined otherwise
  bool by_place = false;  // see KeyRun
};

struct AttentionInput {
  int64_t first_row = 0;  // among the step's rows
  int64_t num_rows = 0;
  std::vector<KeyRows> runs;
  int64_t first_own_row = 0;  // of this input's rows; num_rows: none
  int64_t num_keys = 0;       // of all runs and own rows
  at::Tensor mask;            // float32 [num_rows, num_keys], undefined if nothing is hidden
  at::Tensor distances;       // float32 [num_rows, num_keys], undefined unless the plan has them
};

// Which of the step's rows are written to which rows of the pool.
struct CacheWrites {
  at::Tensor step_rows;  // int64 [k]; undefined if all rows are written, in order
  at::Tensor pool_rows;  // int64 [k]
  int64_t count = 0;
};

// Angles of one set of rotary frequencies. float32 [T, 1, rotary_size / 2].
struct StepRotation {
  at::Tensor index_cosines, index_sines;  // by t (notes: by place)
  at::Tensor place_cosines, place_sines;  // by p(t); undefined if no input needs it
};

// T = all inputs' tokens, one below the other ("rows" of the step).
struct StepTensors {
  at::Tensor tokens;                                // int64 [T]
  std::vector<StepRotation> rotations;              // one for each of the network's frequencies
  std::vector<std::vector<AttentionInput>> inputs;  // [views][batch]
  bool needs_places = false;                        // some run is by place
  CacheWrites writes_before, writes_after;          // the attention
};

// REQUIRES: at least one token in all, and as many plans in every input.
StepTensors MakeStepTensors(absl::Span<const PlannedInput> inputs, absl::Span<const RopeFrequencies> ropes,
                            at::Device device);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_STEP_TENSORS_H_
