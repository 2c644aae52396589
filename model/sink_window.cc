#include "model/sink_window.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/check.h"

namespace perennial {

absl::Status ValidateCacheShape(const CacheShape& shape, int32_t max_capacity) {
  if (shape.sink_tokens < 0) {
    return absl::InvalidArgumentError(absl::StrCat("sink_tokens is ", shape.sink_tokens, ", must be at least 0"));
  }
  if (shape.note_tokens < 0) {
    return absl::InvalidArgumentError(absl::StrCat("note_tokens is ", shape.note_tokens, ", must be at least 0"));
  }
  if (shape.window_tokens < 1) {
    return absl::InvalidArgumentError(absl::StrCat("window_tokens is ", shape.window_tokens, ", must be at least 1"));
  }
  // In 64 bits: three sizes near the limit of int32_t would wrap round in capacity().
  const int64_t capacity = int64_t{shape.sink_tokens} + shape.note_tokens + shape.window_tokens;
  if (capacity > max_capacity) {
    return absl::InvalidArgumentError(
        absl::StrCat("the cache has ", capacity, " tokens (sink_tokens ", shape.sink_tokens, " + note_tokens ",
                     shape.note_tokens, " + window_tokens ", shape.window_tokens, "), must be at most ", max_capacity));
  }
  return absl::OkStatus();
}

int32_t SlotOf(const CacheShape& shape, int64_t t) {
  const int64_t sinks = shape.sink_tokens;
  if (t < sinks) return static_cast<int32_t>(t);
  return static_cast<int32_t>(sinks + shape.note_tokens + (t - sinks) % shape.window_tokens);
}

int32_t PlaceOf(const CacheShape& shape, int32_t num_notes, int64_t t, int64_t window_begin) {
  if (t < shape.sink_tokens) return static_cast<int32_t>(t);
  return static_cast<int32_t>(shape.sink_tokens + num_notes + t - window_begin);
}

SinkWindow::SinkWindow(const CacheShape& shape, EvictionPolicy policy)
    : shape_(shape), policy_(policy), window_begin_(shape.sink_tokens) {
  PERENNIAL_CHECK(shape.sink_tokens >= 0 && shape.note_tokens >= 0 && shape.window_tokens >= 1);
}

int32_t SinkWindow::visible_tokens() const {
  const int64_t sinks = std::min<int64_t>(num_tokens_, shape_.sink_tokens);
  const int64_t window = std::max<int64_t>(num_tokens_ - window_begin_, 0);
  return static_cast<int32_t>(sinks + window);
}

void SinkWindow::BeginTurn() {
  if (policy_ != EvictionPolicy::kTurnWise) return;
  if (!turn_starts_.empty() && turn_starts_.back() == num_tokens_) return;
  // What a query at num_tokens_ cannot see can begin no window of it or of any later one, nor of one after a rewind:
  // b is already at least num_tokens_ - W, and eviction begins windows past b only.
  while (!turn_starts_.empty() && turn_starts_.front() < num_tokens_ - shape_.window_tokens + 1) {
    turn_starts_.pop_front();
  }
  turn_starts_.push_back(num_tokens_);
}

std::vector<int64_t> SinkWindow::Advance(int64_t count) {
  PERENNIAL_CHECK(count >= 0);
  std::vector<int64_t> window_begins;
  window_begins.reserve(static_cast<size_t>(count));
  size_t first_start = 0;
  for (int64_t i = 0; i < count; ++i) {
    window_begin_ = NextWindowBegin(num_tokens_, window_begin_, first_start);
    window_begins.push_back(window_begin_);
    ++num_tokens_;
  }
  turn_starts_.erase(turn_starts_.begin(), turn_starts_.begin() + static_cast<std::ptrdiff_t>(first_start));
  return window_begins;
}

int64_t SinkWindow::HorizonAfter(int64_t count) const {
  PERENNIAL_CHECK(count >= 0);
  int64_t window_begin = window_begin_;
  size_t first_start = 0;
  // No token before this one needs another's row.
  int64_t t = std::max(num_tokens_, window_begin_ + shape_.window_tokens);
  for (; t < num_tokens_ + count; ++t) window_begin = NextWindowBegin(t, window_begin, first_start);
  return window_begin;
}

int64_t SinkWindow::NextWindowBegin(int64_t t, int64_t window_begin, size_t& first_start) const {
  const int64_t window = shape_.window_tokens;
  const int64_t oldest = t - window + 1;  // what lies before shares its row with t or a newer token
  if (t < shape_.sink_tokens || oldest <= window_begin) return window_begin;
  while (first_start < turn_starts_.size() && turn_starts_[first_start] < oldest) ++first_start;
  if (first_start < turn_starts_.size()) {
    // Twice the count instead of half the window: exact for odd W.
    const int64_t start = turn_starts_[first_start];
    if (start <= t && 2 * (t - start + 1) >= window) return start;
  }
  return oldest;
}

bool SinkWindow::CanRewind(int64_t r) const {
  return r >= 0 && r <= num_tokens_ && (window_begin_ <= r || r <= shape_.sink_tokens);
}

void SinkWindow::Rewind(int64_t r) {
  PERENNIAL_CHECK(CanRewind(r));
  Undo(r, window_begin_);
}

int64_t SinkWindow::Undo(int64_t r, int64_t before) {
  PERENNIAL_CHECK(r >= 0 && r <= num_tokens_);
  PERENNIAL_CHECK(before >= shape_.sink_tokens);
  num_tokens_ = r;
  // A turn start is a token of the stream: those not in the stream any more are no starts.
  while (!turn_starts_.empty() && turn_starts_.back() >= r) turn_starts_.pop_back();
  if (r <= shape_.sink_tokens) {
    window_begin_ = shape_.sink_tokens;
    return 0;  // no windowed token lies below r
  }
  // b(t) >= t - W + 1 held for every token ever written and b does not go back, so the rows from b on are intact: only
  // a window that begins past r has to be cut, to an empty one.
  window_begin_ = std::min(window_begin_, r);
  return std::max<int64_t>(window_begin_ - before, 0);
}

}  // namespace perennial
