#include "model/torch/torch_kv_cache.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "model/check.h"

namespace perennial {

absl::Status TorchKvCache::CheckWindowBegin(absl::Span<const int64_t> window_begin) const {
  // Only tokens older than this step can have been overwritten; the first window begin is the lowest.
  if (window_begin.empty() || window_begin[0] >= std::min(intact_begin_, num_tokens_)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("window_begin of token ", num_tokens_, " is ", window_begin[0],
                                                 ", but window tokens below ", intact_begin_, " were overwritten"));
}

void TorchKvCache::Append(int64_t count) {
  num_tokens_ += count;
  intact_begin_ = std::max(intact_begin_, num_tokens_ - shape_.window_tokens);
}

void TorchKvCache::Truncate(int64_t t) {
  PERENNIAL_CHECK(t >= 0 && t <= num_tokens_);
  num_tokens_ = t;
  // Nothing of the window is left: the next tokens begin a new one.
  if (intact_begin_ > t) intact_begin_ = std::max<int64_t>(t, shape_.sink_tokens);
}

void TorchKvCache::CopyState(const TorchKvCache& other) {
  PERENNIAL_CHECK(shape_ == other.shape_);
  num_tokens_ = other.num_tokens_;
  num_notes_ = other.num_notes_;
  intact_begin_ = other.intact_begin_;
}

void TorchKvCache::RestoreState(int64_t num_tokens, int32_t num_notes) {
  num_tokens_ = num_tokens;
  num_notes_ = num_notes;
  intact_begin_ = std::max<int64_t>(shape_.sink_tokens, num_tokens - shape_.window_tokens);
}

}  // namespace perennial
