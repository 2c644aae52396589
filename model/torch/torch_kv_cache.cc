#include "model/torch/torch_kv_cache.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "absl/strings/str_cat.h"
#include "model/check.h"

namespace perennial {

absl::Status TorchKvCache::CheckWindowBegin(absl::Span<const int64_t> window_begin) const {
  const int64_t sinks = shape_.sink_tokens;
  int64_t previous = std::numeric_limits<int64_t>::min();
  for (size_t i = 0; i < window_begin.size(); ++i) {
    const int64_t t = num_tokens_ + static_cast<int64_t>(i);
    const int64_t begin = window_begin[i];
    const int64_t lowest = t < sinks ? sinks : std::max(sinks, t - shape_.window_tokens + 1);
    const int64_t highest = t < sinks ? sinks : t;
    if (begin < lowest || begin > highest) {
      return absl::InvalidArgumentError(absl::StrCat("window_begin of token ", t, " is ", begin, "; it must be ", lowest,
                                                     " … ", highest));
    }
    if (begin < previous) {
      return absl::InvalidArgumentError(
          absl::StrCat("window_begin of token ", t, " is ", begin, ", below its predecessor's ", previous));
    }
    // Only tokens older than this step can have been overwritten.
    if (begin < std::min(intact_begin_, num_tokens_)) {
      return absl::InvalidArgumentError(absl::StrCat("window_begin of token ", t, " is ", begin,
                                                     ", but window tokens below ", intact_begin_, " were overwritten"));
    }
    previous = begin;
  }
  return absl::OkStatus();
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
