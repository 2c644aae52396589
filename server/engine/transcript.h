// What was said in a session, as text: only where the server keeps it (EngineOptions::transcript_turns), in memory
// only, never logged. The newest turns, within a number of turns and of bytes.

#ifndef PERENNIAL_SERVER_ENGINE_TRANSCRIPT_H_
#define PERENNIAL_SERVER_ENGINE_TRANSCRIPT_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/text/message.h"

namespace perennial {

// One turn of a transcript.
struct TranscriptTurn {
  int64_t turn = 0;
  std::vector<Message> messages;  // what was said to the model; the last one is its reply
  bool truncated = false;         // a part of the texts was not kept
  bool forgotten = false;         // it has left the window, partly or wholly; filled in by whoever asks
};

// A value; engine thread only. Memory: at most `max_bytes` of text in at most `max_turns` turns. Where the newest turn
// alone is longer, its beginning is kept.
class Transcript {
 public:
  // `max_turns` 0: keeps nothing.
  explicit Transcript(int32_t max_turns = 0, int64_t max_bytes = 0) : max_turns_(max_turns), max_bytes_(max_bytes) {}

  // Turn `turn` is in the stream. The last of `messages` is its reply, as far as it is there already.
  // REQUIRES: turn > all before.
  void BeginTurn(int64_t turn, std::vector<Message> messages);

  // The newest turn's last message goes on. Valid UTF-8.
  void AddReply(absl::string_view text);

  // Forgets the turns after turn `turn`: the stream went back.
  void Rewind(int64_t turn);

  // Oldest first.
  const std::deque<TranscriptTurn>& turns() const { return turns_; }
  int64_t bytes() const { return bytes_; }  // of all texts

 private:
  // Appends to `message`, of the newest turn, what fits when older turns go.
  void Append(Message& message, absl::string_view text);
  void DropOldest();

  int32_t max_turns_;
  int64_t max_bytes_;
  std::deque<TranscriptTurn> turns_;
  int64_t bytes_ = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_TRANSCRIPT_H_
