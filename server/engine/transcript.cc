#include "server/engine/transcript.h"

#include <utility>

#include "model/check.h"

namespace perennial {
namespace {

int64_t BytesOf(const TranscriptTurn& turn) {
  size_t bytes = 0;
  for (const Message& message : turn.messages) bytes += message.text.size();
  return static_cast<int64_t>(bytes);
}

// The longest beginning of `text` of at most `bytes` bytes that cuts no character.
absl::string_view Beginning(absl::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

}  // namespace

void Transcript::BeginTurn(int64_t turn, std::vector<Message> messages) {
  if (max_turns_ == 0) return;
  PERENNIAL_CHECK(turns_.empty() || turns_.back().turn < turn);
  if (turns_.size() == static_cast<size_t>(max_turns_)) DropOldest();
  turns_.push_back({.turn = turn, .messages = {}, .truncated = false, .forgotten = false});
  for (Message& message : messages) {
    const std::string text = std::exchange(message.text, {});
    Append(turns_.back().messages.emplace_back(std::move(message)), text);
  }
}

void Transcript::AddReply(absl::string_view text) {
  if (turns_.empty() || turns_.back().messages.empty()) return;
  Append(turns_.back().messages.back(), text);
}

void Transcript::Append(Message& message, absl::string_view text) {
  // After a gap nothing more: a text with a hole would be misread.
  if (turns_.back().truncated) return;
  while (turns_.size() > 1 && bytes_ + static_cast<int64_t>(text.size()) > max_bytes_) DropOldest();
  const absl::string_view kept = Beginning(text, static_cast<size_t>(max_bytes_ - bytes_));
  turns_.back().truncated = kept.size() < text.size();
  message.text.append(kept.data(), kept.size());
  bytes_ += static_cast<int64_t>(kept.size());
}

void Transcript::Rewind(int64_t turn) {
  while (!turns_.empty() && turns_.back().turn > turn) {
    bytes_ -= BytesOf(turns_.back());
    turns_.pop_back();
  }
}

void Transcript::DropOldest() {
  bytes_ -= BytesOf(turns_.front());
  turns_.pop_front();
}

}  // namespace perennial
