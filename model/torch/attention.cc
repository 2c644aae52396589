#include "model/torch/attention.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <vector>

namespace perennial {
namespace {

// Queries are worked off in blocks, so that a long chunk's scores stay in the processor's cache.
constexpr int64_t kQueryBlock = 128;

// Keys or values of one run as float32 [kv_heads, n, head_size]; a view if they already are.
at::Tensor ReadRows(const at::Tensor& pool_rows, const KeyRows& run) {
  const at::Tensor rows =
      run.index.defined() ? pool_rows.index_select(1, run.index) : pool_rows.narrow(1, run.first_row, run.num_rows);
  return rows.to(at::kFloat);
}

// [rows, heads, head_size] -> [kv_heads, (heads / kv_heads) * rows, head_size]: query heads that share a key head are
// one matrix. No copy for a single row.
at::Tensor GroupHeads(const at::Tensor& queries, int64_t kv_heads) {
  const int64_t rows = queries.size(0);
  const int64_t head_size = queries.size(2);
  if (rows == 1) return queries.view({kv_heads, -1, head_size});
  return queries.transpose(0, 1).reshape({kv_heads, -1, head_size});
}

struct KeyGroup {
  at::Tensor keys, values;  // float32 [kv_heads, n, head_size]
  bool by_place;
};

// Everything that the input's queries can see: the pool's runs, then the chunk's own rows.
std::vector<KeyGroup> ReadGroups(const AttentionInput& input, const AttentionRows& rows, const KvCachePool& pool,
                                 int32_t layer) {
  std::vector<KeyGroup> groups;
  for (const KeyRows& run : input.runs) {
    groups.push_back({ReadRows(pool.keys(layer), run), ReadRows(pool.values(layer), run), run.by_place});
  }
  if (input.first_own_row < input.num_rows) {
    const int64_t first = input.first_row + input.first_own_row;
    const int64_t count = input.num_rows - input.first_own_row;
    // Through the cache's type, as if read back from the cache: the chunk's size must not change the result.
    groups.push_back({rows.keys.narrow(0, first, count).transpose(0, 1).to(at::kFloat),
                      rows.values.narrow(0, first, count).transpose(0, 1).to(at::kFloat), false});
  }
  return groups;
}

// Softcap, ALiBi and mask, in the order in which Gemma and MPT were trained. `shape`: [kv_heads, group, rows, keys].
void FinishScores(const AttentionInput& input, int64_t first_row, at::IntArrayRef shape, const ScoreRule& rule,
                  at::Tensor& scores) {
  const int64_t rows = shape[2];
  if (rule.softcap > 0) scores.div_(rule.softcap).tanh_().mul_(rule.softcap);
  if (rule.slopes.defined()) {
    scores.view(shape).addcmul_(rule.slopes, input.distances.narrow(0, first_row, rows), -1);
  }
  if (input.mask.defined()) scores.view(shape).add_(input.mask.narrow(0, first_row, rows));
}

}  // namespace

at::Tensor Rotate(const at::Tensor& vectors, const at::Tensor& cosines, const at::Tensor& sines) {
  const int64_t pairs = cosines.size(-1);
  const int64_t unrotated = vectors.size(-1) - 2 * pairs;
  const at::Tensor first = vectors.narrow(-1, 0, pairs);
  const at::Tensor second = vectors.narrow(-1, pairs, pairs);
  at::Tensor rotated = at::empty(vectors.sizes(), vectors.options());
  at::Tensor rotated_first = rotated.narrow(-1, 0, pairs);
  at::Tensor rotated_second = rotated.narrow(-1, pairs, pairs);
  at::mul_out(rotated_first, first, cosines).addcmul_(second, sines, -1);
  at::mul_out(rotated_second, second, cosines).addcmul_(first, sines);
  if (unrotated > 0) rotated.narrow(-1, 2 * pairs, unrotated).copy_(vectors.narrow(-1, 2 * pairs, unrotated));
  return rotated;
}

void WriteCache(const CacheWrites& writes, const AttentionRows& rows, KvCachePool& pool, int32_t layer) {
  if (writes.count == 0) return;
  const auto write = [&](const at::Tensor& pool_rows, const at::Tensor& step_rows) {
    const at::Tensor chosen = writes.step_rows.defined() ? step_rows.index_select(0, writes.step_rows) : step_rows;
    pool_rows.index_copy_(1, writes.pool_rows, chosen.transpose(0, 1));
  };
  write(pool.keys(layer), rows.keys);
  write(pool.values(layer), rows.values);
}

at::Tensor Attend(const AttentionInput& input, const AttentionRows& rows, const KvCachePool& pool, int32_t layer,
                  const ScoreRule& rule) {
  const int64_t num_heads = rows.queries_by_index.size(1);
  const int64_t head_size = rows.queries_by_index.size(2);
  const int64_t kv_heads = rows.keys.size(1);
  const int64_t group = num_heads / kv_heads;
  const std::vector<KeyGroup> groups = ReadGroups(input, rows, pool, layer);

  std::vector<at::Tensor> blocks;
  for (int64_t begin = 0; begin < input.num_rows; begin += kQueryBlock) {
    const int64_t count = std::min(kQueryBlock, input.num_rows - begin);
    const int64_t first = input.first_row + begin;
    const at::Tensor by_index = GroupHeads(rows.queries_by_index.narrow(0, first, count), kv_heads);
    at::Tensor by_place;  // made when the first run needs it
    // The zero sink is one more column, whose score is 0 and whose value is nothing.
    const int64_t columns = input.num_keys + (rule.zero_sink ? 1 : 0);
    at::Tensor scores = at::empty({kv_heads, group * count, columns}, by_index.options());
    if (rule.zero_sink) scores.narrow(2, input.num_keys, 1).zero_();
    at::Tensor key_scores = rule.zero_sink ? scores.narrow(2, 0, input.num_keys) : scores;
    int64_t column = 0;
    for (const KeyGroup& keys : groups) {
      if (keys.by_place && !by_place.defined()) {
        by_place = GroupHeads(rows.queries_by_place.narrow(0, first, count), kv_heads);
      }
      const int64_t width = keys.keys.size(1);
      key_scores.narrow(2, column, width)
          .baddbmm_(keys.by_place ? by_place : by_index, keys.keys.transpose(1, 2), /*beta=*/0, /*alpha=*/rule.scale);
      column += width;
    }
    FinishScores(input, begin, {kv_heads, group, count, input.num_keys}, rule, key_scores);
    const at::Tensor weights = at::softmax(scores, -1);
    at::Tensor mixed = at::empty({kv_heads, group * count, head_size}, by_index.options());
    column = 0;
    for (const KeyGroup& keys : groups) {
      const int64_t width = keys.values.size(1);
      mixed.baddbmm_(weights.narrow(2, column, width), keys.values, /*beta=*/column == 0 ? 0 : 1);
      column += width;
    }
    // [kv_heads, group * rows, head_size] -> [rows, heads * head_size]
    blocks.push_back(mixed.view({num_heads, count, head_size}).transpose(0, 1).reshape({count, -1}));
  }
  return blocks.size() == 1 ? blocks[0] : at::cat(blocks);
}

}  // namespace perennial
