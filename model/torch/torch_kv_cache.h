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

// Engine thread only. It owns its blocks of the pool and gives them back when destroyed, before the pool is. A stream
// token lies in the slot that SlotOf (sink_window.h) says, a note in slot S + its place. Only bookkeeping is here: the
// runner writes keys and values into the slots first and then says so by Append or set_num_notes, so that a step that
// fails leaves the cache as it was, but for slots that it does not count.
class TorchKvCache final : public KvCache {
 public:
  // An empty cache. REQUIRES: `blocks` has shape.capacity() slots or more.
  TorchKvCache(const ModelRunner* owner, const CacheShape& shape, std::unique_ptr<CacheBlocks> blocks)
      : owner_(owner), shape_(shape), blocks_(std::move(blocks)), intact_begin_(shape.sink_tokens) {}

  const CacheShape& shape() const override { return shape_; }
  int64_t num_tokens() const override { return num_tokens_; }
  int32_t num_notes() const override { return num_notes_; }
  int64_t size_bytes() const override { return blocks_->size_bytes(); }

  // Who made it, to be compared only: no other runner takes it.
  const ModelRunner* owner() const { return owner_; }
  const CacheBlocks& blocks() const { return *blocks_; }

  // Windowed tokens [intact_begin, num_tokens) are still in their slots; older ones were overwritten. At least S. It
  // lags behind no rewind: going back does not bring overwritten tokens back.
  int64_t intact_begin() const { return intact_begin_; }

  // INVALID_ARGUMENT if the next tokens' window begins, which have passed ValidateBatch, reach below intact_begin().
  absl::Status CheckWindowBegin(absl::Span<const int64_t> window_begin) const;

  // The stream's next `count` tokens were written into their slots; those that lay there are gone.
  void Append(int64_t count);

  // The notes in use are the first `n` note slots. REQUIRES: n <= N.
  void set_num_notes(int32_t n) { num_notes_ = n; }

  // Back to the first `t` tokens. Where no windowed token of them is intact, the window begins anew at token t (or S).
  // REQUIRES: 0 <= t <= num_tokens()
  void Truncate(int64_t t);

  // All of `other`'s state but the slots' contents, which the runner copies. REQUIRES: same shape
  void CopyState(const TorchKvCache& other);

  // The state after an import of slots: the newest W windowed tokens count as intact. What a rewind before the export
  // had lost is not known here; the session's own window begin, which is kept with it, stays above that.
  void RestoreState(int64_t num_tokens, int32_t num_notes);

 private:
  const ModelRunner* const owner_;
  const CacheShape shape_;
  const std::unique_ptr<CacheBlocks> blocks_;
  int64_t num_tokens_ = 0;  // of the stream, counted from its start; the newest W and the first S at most are here
  int32_t num_notes_ = 0;
  int64_t intact_begin_;  // >= S
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_TORCH_KV_CACHE_H_
