#include "model/text/text_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"

namespace perennial {
namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

struct Piece {
  size_t size = 0;          // bytes looked at
  bool is_valid = false;    // a whole character
  bool is_partial = false;  // more bytes could make it one
};

// The first character of `bytes` (not empty), or its maximal part that no more bytes can turn into one. Table 3-7 of
// the Unicode standard: the second byte's range depends on the first, so that surrogates, overlong forms and values
// past U+10FFFF end at the first byte that rules them out.
Piece FirstPiece(absl::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t lead = at(0);
  if (lead < 0x80) return {.size = 1, .is_valid = true};
  if (lead < 0xC2 || lead > 0xF4) return {.size = 1};
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (size_t i = 1; i < length; ++i) {
    if (i == bytes.size()) return {.size = i, .is_partial = true};
    if (at(i) < low || at(i) > high) return {.size = i};
    low = 0x80;
    high = 0xBF;
  }
  return {.size = length, .is_valid = true};
}

// Moves what can be decoded from `bytes` to `text`. At the end an incomplete character is not one.
void Decode(std::string& bytes, bool at_end, std::string& text) {
  absl::string_view rest = bytes;
  while (!rest.empty()) {
    const Piece piece = FirstPiece(rest);
    if (piece.is_partial && !at_end) break;
    absl::StrAppend(&text, piece.is_valid ? rest.substr(0, piece.size) : kReplacement);
    rest.remove_prefix(piece.size);
  }
  bytes.erase(0, bytes.size() - rest.size());
}

// Length of the longest end of `text` that is a proper beginning of `stop`.
size_t HeldBack(absl::string_view text, absl::string_view stop) {
  for (size_t size = std::min(text.size(), stop.size() - 1); size > 0; --size) {
    if (text.substr(text.size() - size) == stop.substr(0, size)) return size;
  }
  return 0;
}

}  // namespace

TextStream::TextStream(std::vector<std::string> stop_strings, bool trim_leading_space)
    : stop_strings_(std::move(stop_strings)), trim_leading_space_(trim_leading_space) {
  for (const std::string& stop : stop_strings_) PERENNIAL_CHECK(!stop.empty());
}

std::string TextStream::Add(absl::string_view token_bytes) {
  if (stopped_by_.has_value()) return "";
  absl::StrAppend(&bytes_, token_bytes);
  return TakeReady(/*at_end=*/false);
}

std::string TextStream::Finish() {
  if (stopped_by_.has_value()) return "";
  return TakeReady(/*at_end=*/true);
}

std::string TextStream::TakeReady(bool at_end) {
  Decode(bytes_, at_end, pending_);
  if (trim_leading_space_ && !pending_.empty()) {
    if (pending_.front() == ' ') pending_.erase(0, 1);
    trim_leading_space_ = false;
  }
  size_t held_from = pending_.size();  // where a stop string may have begun
  size_t stop_begin = absl::string_view::npos;
  size_t stop_size = 0;
  for (size_t i = 0; i < stop_strings_.size(); ++i) {
    const std::string& stop = stop_strings_[i];
    if (!at_end) held_from = std::min(held_from, pending_.size() - HeldBack(pending_, stop));
    const size_t begin = pending_.find(stop);
    if (begin == std::string::npos || begin > stop_begin || (begin == stop_begin && stop.size() <= stop_size)) continue;
    stop_begin = begin;
    stop_size = stop.size();
    stopped_by_ = static_cast<int32_t>(i);
  }
  // One that is complete is met only if none that begins earlier, or there and is longer, can still be completed.
  if (stop_begin >= held_from) stopped_by_.reset();
  const std::string ready = pending_.substr(0, stopped_by_.has_value() ? stop_begin : held_from);
  pending_.erase(0, ready.size());
  return ready;
}

}  // namespace perennial
