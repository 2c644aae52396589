// Sink-window attention over one session's cache (the two-query form, attention_plan.h), in ATen operations: the same
// code for CPU and CUDA. Scores and softmax are float32 whatever the cache's type.

#ifndef PERENNIAL_MODEL_TORCH_ATTENTION_H_
#define PERENNIAL_MODEL_TORCH_ATTENTION_H_

#include <ATen/core/Tensor.h>

#include "model/torch/kv_cache_pool.h"
#include "model/torch/step_tensors.h"

namespace perennial {

// Rotates each pair (i, i + r / 2) of the first r dimensions of `vectors` [T, heads, head_size] by the row's angle, r /
// 2 being the angles' number, and leaves the other dimensions as they are. float32 in and out.
at::Tensor Rotate(const at::Tensor& vectors, const at::Tensor& cosines, const at::Tensor& sines);

// All rows of a step, in one layer. Keys and values have the cache's type.
struct AttentionRows {
  at::Tensor queries_by_index;  // float32 [T, heads, head_size]
  at::Tensor queries_by_place;  // the same, rotated by p(t); undefined if no run is by place
  at::Tensor keys;              // [T, kv_heads, head_size], rotated by index
  at::Tensor values;            // [T, kv_heads, head_size]
};

// How scores become weights, in all layers of a network.
struct ScoreRule {
  double scale = 1.0;      // of scores
  double softcap = 0.0;    // scores become c · tanh(score / c); 0: not
  bool zero_sink = false;  // one is added to the softmax's denominator
  at::Tensor slopes;       // float32 [kv_heads, heads / kv_heads, 1, 1]: ALiBi's; undefined: none
};

// Writes rows of keys and values into the layer's pool rows.
void WriteCache(const CacheWrites& writes, const AttentionRows& rows, KvCachePool& pool, int32_t layer);

// The rows of one input: float32 [num_rows, heads * head_size]. Reads the pool as it is, so writes_before must be done
// and writes_after must not.
at::Tensor Attend(const AttentionInput& input, const AttentionRows& rows, const KvCachePool& pool, int32_t layer,
                  const ScoreRule& rule);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_ATTENTION_H_
