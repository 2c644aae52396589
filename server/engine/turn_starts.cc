#include "server/engine/turn_starts.h"

#include <algorithm>

#include "model/check.h"

namespace perennial {

void TurnStarts::Add(int64_t turn, int64_t token) {
  PERENNIAL_CHECK(starts_.empty() || (starts_.back().turn < turn && starts_.back().token < token));
  starts_.push_back({turn, token});
  if (!first_.has_value()) first_ = starts_.back();
}

std::optional<TurnStarts::Range> TurnStarts::RangeOf(int64_t turn) const {
  const auto start = std::lower_bound(starts_.begin(), starts_.end(), turn,
                                      [](const Start& one, int64_t number) { return one.turn < number; });
  if (start == starts_.end() || start->turn != turn) return std::nullopt;
  Range range = {.begin = start->token, .end = std::nullopt};
  if (std::next(start) != starts_.end()) range.end = std::next(start)->token;
  return range;
}

std::optional<int64_t> TurnStarts::StartFrom(int64_t token) const {
  const auto start = std::lower_bound(starts_.begin(), starts_.end(), token,
                                      [](const Start& one, int64_t index) { return one.token < index; });
  if (start == starts_.end()) return std::nullopt;
  return start->token;
}

int64_t TurnStarts::TurnOf(int64_t token) const {
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), token,
                                      [](int64_t index, const Start& start) { return index < start.token; });
  if (after != starts_.begin()) return std::prev(after)->turn;
  return starts_.empty() ? newest_forgotten_ : 0;
}

std::optional<int64_t> TurnStarts::StartAfter(int64_t turn) const {
  if (first_.has_value() && first_->turn > turn) return first_->token;
  if (newest_forgotten_ > turn) return std::nullopt;
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), turn,
                                      [](int64_t number, const Start& start) { return number < start.turn; });
  if (after == starts_.end()) return std::nullopt;
  return after->token;
}

int64_t TurnStarts::OldestBefore(int64_t token) const {
  int64_t before = newest_forgotten_;
  for (const Start& start : starts_) {
    if (start.token >= token) return before;
    before = start.turn;
  }
  return before;
}

void TurnStarts::ForgetBefore(int64_t token) {
  // The last start at or before `token` stays: it says whose `token` is.
  while (starts_.size() >= 2 && starts_[1].token <= token) {
    newest_forgotten_ = starts_.front().turn;
    ++num_forgotten_;
    starts_.pop_front();
  }
}

void TurnStarts::Rewind(int64_t num_tokens) {
  while (!starts_.empty() && starts_.back().token >= num_tokens) starts_.pop_back();
  if (first_.has_value() && first_->token >= num_tokens) *this = TurnStarts();
}

}  // namespace perennial
