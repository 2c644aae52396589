// One session's cache in the pool, and what may be read from it: the bookkeeping behind ModelRunner's KvCache.

#ifndef PERENNIAL_MODEL_TORCH_TORCH_KV_CACHE_H_
#define PERENNIAL_MODEL_TORCH_TORCH_KV_CACHE_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/model_runner.h"
#include "model/torch/kv_cache_pool.h"

namespace perennial {

class TorchKvCache final : public KvCache {
 public:
  TorchKvCache(const ModelRunner* owner, const CacheShape& shape, std::unique_ptr<CacheBlocks> blocks)
      : owner_(owner), shape_(shape), blocks_(std::move(blocks)), intact_begin_(shape.sink_tokens) {}

  const CacheShape& shape() const override { return shape_; }
  int64_t num_tokens() const override { return num_tokens_; }
  int32_t num_notes() const override { return num_notes_; }
  int64_t size_bytes() const override { return blocks_->size_bytes(); }

  const ModelRunner* owner() const { return owner_; }  // who made it: no other runner takes it
  const CacheBlocks& blocks() const { return *blocks_; }

  // Windowed tokens [intact_begin, num_tokens) are still in their slots; older ones were overwritten.
  int64_t intact_begin() const { return intact_begin_; }

  // INVALID_ARGUMENT if the next tokens' window begins, which have passed ValidateBatch, reach below intact_begin().
  absl::Status CheckWindowBegin(absl::Span<const int64_t> window_begin) const;

  void Append(int64_t count);  // `count` tokens were written
  void set_num_notes(int32_t n) { num_notes_ = n; }
  void Truncate(int64_t t);                                  // REQUIRES: 0 <= t <= num_tokens()
  void CopyState(const TorchKvCache& other);                 // all but the slots' contents. REQUIRES: same shape
  void RestoreState(int64_t num_tokens, int32_t num_notes);  // after an import of slots

 private:
  const ModelRunner* const owner_;
  const CacheShape shape_;
  const std::unique_ptr<CacheBlocks> blocks_;
  int64_t num_tokens_ = 0;
  int32_t num_notes_ = 0;
  int64_t intact_begin_;  // >= S
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_TORCH_KV_CACHE_H_
