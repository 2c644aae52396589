// The memory of all caches: allocated once, at creation, and lent out in blocks of a fixed number of slots, so that
// sessions of different sizes cannot fragment it: any free block serves any cache. Neighbouring blocks are preferred,
// so that a cache is normally one stretch of memory that attention reads as it lies.
//
// Engine thread only, like everything behind the ModelRunner.

#ifndef PERENNIAL_MODEL_TORCH_KV_CACHE_POOL_H_
#define PERENNIAL_MODEL_TORCH_KV_CACHE_POOL_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"

namespace perennial {

// What one slot holds: a key and a value per layer and key/value head.
struct SlotLayout {
  int32_t num_layers = 0;
  int32_t num_kv_heads = 0;
  int32_t head_size = 0;
  at::ScalarType dtype = at::kFloat;

  int64_t slot_bytes() const;
};

class CacheBlocks;

class KvCachePool {
 public:
  static constexpr int32_t kBlockSlots = 16;

  // Allocates as many whole blocks as fit in `memory_bytes` on `device`. INVALID_ARGUMENT if that is none.
  // Running out of memory throws c10::Error, as all of libtorch does.
  static absl::StatusOr<std::unique_ptr<KvCachePool>> Create(const SlotLayout& layout, at::Device device,
                                                             int64_t memory_bytes);

  const SlotLayout& layout() const { return layout_; }
  int64_t block_bytes() const { return kBlockSlots * layout_.slot_bytes(); }
  int64_t num_blocks() const { return static_cast<int64_t>(is_free_.size()); }
  int64_t num_free_blocks() const { return num_free_; }
  // Blocks that a cache of `num_slots` slots takes.
  static int64_t BlocksFor(int64_t num_slots) { return (num_slots + kBlockSlots - 1) / kBlockSlots; }

  // Blocks for `num_slots` slots, zeroed. RESOURCE_EXHAUSTED with the numbers when too few are free. The result must be
  // destroyed before the pool.
  absl::StatusOr<std::unique_ptr<CacheBlocks>> Take(int32_t num_slots);

  // All layers' rows: [layers, 2 (keys, values), kv_heads, rows, head_size]. A row is a slot of somebody's cache.
  const at::Tensor& rows() const { return rows_; }
  // One layer's, a view: [kv_heads, rows, head_size].
  const at::Tensor& keys(int32_t layer) const { return keys_[layer]; }
  const at::Tensor& values(int32_t layer) const { return values_[layer]; }

 private:
  friend class CacheBlocks;

  KvCachePool(const SlotLayout& layout, at::Tensor rows);

  // The smallest free stretch of at least `count` blocks, else the lowest free blocks; ascending.
  std::vector<int64_t> ChooseBlocks(int64_t count) const;
  void Return(const std::vector<int64_t>& blocks);

  const SlotLayout layout_;
  const at::Tensor rows_;
  std::vector<at::Tensor> keys_;    // [layers] views of rows_
  std::vector<at::Tensor> values_;  // [layers] views of rows_
  std::vector<bool> is_free_;       // [blocks]
  int64_t num_free_;
};

// The blocks of one cache: gives them back when destroyed. Slots of the cache are mapped to rows of the pool; a slot's
// row never moves.
class CacheBlocks {
 public:
  CacheBlocks(KvCachePool& pool, std::vector<int64_t> blocks);
  ~CacheBlocks();
  CacheBlocks(const CacheBlocks&) = delete;
  CacheBlocks& operator=(const CacheBlocks&) = delete;

  int64_t size_bytes() const { return static_cast<int64_t>(blocks_.size()) * pool_.block_bytes(); }

  int64_t RowOf(int32_t slot) const {
    return blocks_[slot / KvCachePool::kBlockSlots] * KvCachePool::kBlockSlots + slot % KvCachePool::kBlockSlots;
  }

  // True if slots [first, first + count) are neighbouring rows of the pool.
  bool IsOneStretch(int32_t first, int32_t count) const;

  // Pool rows of slots [first, first + count): int64 [count] on the pool's device.
  at::Tensor RowIndex(int32_t first, int32_t count) const;

 private:
  KvCachePool& pool_;
  const std::vector<int64_t> blocks_;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_KV_CACHE_POOL_H_
