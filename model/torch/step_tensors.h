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

// One input of the batch, on the host. `blocks` outlives the step.
struct PlannedInput {
  const CacheBlocks* blocks = nullptr;
  absl::Span<const TokenId> tokens;
  AttentionPlan plan;
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
};

// Which of the step's rows are written to which rows of the pool.
struct CacheWrites {
  at::Tensor step_rows;  // int64 [k]; undefined if all rows are written, in order
  at::Tensor pool_rows;  // int64 [k]
  int64_t count = 0;
};

// T = all inputs' tokens, one below the other ("rows" of the step).
struct StepTensors {
  at::Tensor tokens;                      // int64 [T]
  at::Tensor index_cosines, index_sines;  // float32 [T, 1, head_size / 2]: rotation by t (notes: by place)
  at::Tensor place_cosines, place_sines;  // the same by p(t); undefined if no input needs it
  std::vector<AttentionInput> inputs;
  CacheWrites writes_before, writes_after;  // the attention
};

// REQUIRES: at least one token in all.
StepTensors MakeStepTensors(absl::Span<const PlannedInput> inputs, const RopeFrequencies& frequencies,
                            at::Device device);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_STEP_TENSORS_H_
