// Tokens of a reply to text that can be sent: always whole UTF-8 characters, never a piece of a stop string.

#ifndef PERENNIAL_MODEL_TEXT_TEXT_STREAM_H_
#define PERENNIAL_MODEL_TEXT_TEXT_STREAM_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace perennial {

// One reply's. Not thread-safe. Holds back at most the bytes of an incomplete character and the longest proper prefix
// of a stop string; nothing else (no waiting for spaces: Chinese and emoji stream like English).
//
// Of several stop strings in the text the one that begins first counts, of those that begin at the same place the
// longest. The result does not depend on how the text was cut into tokens; therefore a stop string that is complete may
// have to wait while an earlier or longer one ("\n\n" for "\n") can still be completed. Finish decides what is left.
class TextStream {
 public:
  // `stop_strings`: non-empty, UTF-8. `trim_leading_space`: drop one space at the reply's very start (SentencePiece).
  explicit TextStream(std::vector<std::string> stop_strings, bool trim_leading_space = false);

  // Adds a token's bytes; returns the text that may be sent now (may be empty). Bytes that can never become UTF-8
  // become U+FFFD, one per maximal invalid part (as the Unicode standard recommends). After a stop: returns "" and
  // ignores.
  std::string Add(absl::string_view token_bytes);

  // The reply has ended: returns what was held back (an incomplete character becomes U+FFFD). May still find a stop
  // string that had to wait: ask stopped_by() afterwards. Call once; Add no more.
  std::string Finish();

  // Index into stop_strings of the one that was met first; the text before it has been returned, it and all after is
  // not.
  std::optional<int32_t> stopped_by() const { return stopped_by_; }

 private:
  std::string TakeReady(bool at_end);

  const std::vector<std::string> stop_strings_;
  bool trim_leading_space_;
  std::string bytes_;    // not yet decoded: an incomplete character
  std::string pending_;  // valid UTF-8, held back: may begin a stop string
  std::optional<int32_t> stopped_by_;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TEXT_TEXT_STREAM_H_
