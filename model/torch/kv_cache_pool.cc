#include "model/torch/kv_cache_pool.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/check.h"

namespace perennial {

int64_t SlotLayout::slot_bytes() const {
  return int64_t{2} * num_layers * num_kv_heads * head_size * static_cast<int64_t>(c10::elementSize(dtype));
}

absl::StatusOr<std::unique_ptr<KvCachePool>> KvCachePool::Create(const SlotLayout& layout, at::Device device,
                                                                 int64_t memory_bytes) {
  const int64_t block_bytes = kBlockSlots * layout.slot_bytes();
  const int64_t num_blocks = memory_bytes / block_bytes;
  if (num_blocks < 1) {
    return absl::InvalidArgumentError(absl::StrCat("cache memory of ", memory_bytes,
                                                   " bytes holds no block of this model's cache: it takes ",
                                                   block_bytes, " bytes (", kBlockSlots, " tokens)"));
  }
  // Not zeroed here: the pages of a large pool are then touched, and the time is spent, as sessions take them.
  at::Tensor rows = at::empty({layout.num_layers, 2, layout.num_kv_heads, num_blocks * kBlockSlots, layout.head_size},
                              at::TensorOptions(layout.dtype).device(device));
  return absl::WrapUnique(new KvCachePool(layout, std::move(rows)));
}

KvCachePool::KvCachePool(const SlotLayout& layout, at::Tensor rows)
    : layout_(layout), rows_(std::move(rows)), num_free_(rows_.size(3) / kBlockSlots) {
  is_free_.assign(static_cast<size_t>(num_free_), true);
  for (int32_t layer = 0; layer < layout.num_layers; ++layer) {
    keys_.push_back(rows_.select(0, layer).select(0, 0));
    values_.push_back(rows_.select(0, layer).select(0, 1));
  }
}

std::vector<int64_t> KvCachePool::ChooseBlocks(int64_t count) const {
  // Best fit among the free stretches: sessions of one size then fill each other's gaps exactly.
  int64_t best_first = -1;
  int64_t best_length = num_blocks() + 1;
  for (int64_t first = 0; first < num_blocks();) {
    int64_t end = first;
    while (end < num_blocks() && is_free_[end]) ++end;
    if (end - first >= count && end - first < best_length) {
      best_first = first;
      best_length = end - first;
    }
    first = end + 1;
  }
  std::vector<int64_t> blocks;
  for (int64_t block = std::max<int64_t>(best_first, 0); static_cast<int64_t>(blocks.size()) < count; ++block) {
    if (is_free_[block]) blocks.push_back(block);
  }
  return blocks;
}

absl::StatusOr<std::unique_ptr<CacheBlocks>> KvCachePool::Take(int32_t num_slots) {
  const int64_t count = BlocksFor(num_slots);
  if (count > num_free_) {
    return absl::ResourceExhaustedError(absl::StrCat("no cache memory free: a cache of ", num_slots, " tokens takes ",
                                                     count * block_bytes(), " bytes, ", num_free_ * block_bytes(),
                                                     " of ", num_blocks() * block_bytes(), " are free"));
  }
  std::vector<int64_t> blocks = ChooseBlocks(count);
  for (int64_t block : blocks) {
    // What a masked slot holds is multiplied by zero: a NaN there would poison the sum.
    rows_.narrow(3, block * kBlockSlots, kBlockSlots).zero_();
    is_free_[block] = false;
  }
  num_free_ -= count;
  return std::make_unique<CacheBlocks>(*this, std::move(blocks));
}

void KvCachePool::Return(const std::vector<int64_t>& blocks) {
  for (int64_t block : blocks) {
    PERENNIAL_CHECK(!is_free_[block]);
    is_free_[block] = true;
  }
  num_free_ += static_cast<int64_t>(blocks.size());
}

CacheBlocks::CacheBlocks(KvCachePool& pool, std::vector<int64_t> blocks) : pool_(pool), blocks_(std::move(blocks)) {}

CacheBlocks::~CacheBlocks() { pool_.Return(blocks_); }

bool CacheBlocks::IsOneStretch(int32_t first, int32_t count) const {
  return RowOf(first + count - 1) - RowOf(first) == count - 1;  // blocks ascend: no other way to span so little
}

at::Tensor CacheBlocks::RowIndex(int32_t first, int32_t count) const {
  std::vector<int64_t> rows(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) rows[i] = RowOf(first + i);
  return at::tensor(rows, at::kLong).to(pool_.rows().device());
}

}  // namespace perennial
