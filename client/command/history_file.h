// What was typed in earlier chats, for the arrow keys: a file that only its owner can read.

#ifndef PERENNIAL_CLIENT_COMMAND_HISTORY_FILE_H_
#define PERENNIAL_CLIENT_COMMAND_HISTORY_FILE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace perennial {

// One message a line, line feeds written as \n and backslashes doubled. Messages are appended one by one, so that
// several chats can share the file.
class HistoryFile {
 public:
  // Newest messages that Load returns and that stay in the file when it is trimmed.
  static constexpr size_t kMaxMessages = 1000;

  // $XDG_STATE_HOME/perennial/chat_history, else ~/.local/state/perennial/chat_history; empty when neither is known.
  static std::string DefaultPath();

  // With an empty path nothing is ever read or written.
  explicit HistoryFile(std::string path) : path_(std::move(path)) {}

  // The newest messages, oldest first; none when there is no file. Trims a file that has grown to twice kMaxMessages.
  std::vector<std::string> Load() const;

  // Creates the file with mode 0600 and missing folders with 0700. An existing file's mode becomes 0600.
  absl::Status Append(const std::string& message) const;

 private:
  absl::Status Write(const std::string& lines, int flags) const;

  const std::string path_;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_HISTORY_FILE_H_
