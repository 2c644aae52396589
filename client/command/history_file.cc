#include "client/command/history_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace perennial {
namespace {

std::string Escaped(const std::string& message) {
  return absl::StrReplaceAll(message, {{"\\", "\\\\"}, {"\n", "\\n"}}) + "\n";
}

std::string Unescaped(const std::string& line) { return absl::StrReplaceAll(line, {{"\\\\", "\\"}, {"\\n", "\n"}}); }

// mkdir -p, for the owner only. Errors show when the file is opened.
void MakeFolders(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    mkdir(path.substr(0, slash).c_str(), 0700);
  }
}

}  // namespace

std::string HistoryFile::DefaultPath() {
  constexpr absl::string_view kName = "perennial/chat_history";
  // Relative paths in XDG variables are invalid and to be ignored, says the specification.
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return absl::StrCat(state, "/", kName);
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return absl::StrCat(home, "/.local/state/", kName);
  }
  return "";
}

std::vector<std::string> HistoryFile::Load() const {
  std::vector<std::string> messages;
  if (path_.empty()) return messages;
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);) messages.push_back(Unescaped(line));
  const bool long_file = messages.size() >= 2 * kMaxMessages;
  if (messages.size() > kMaxMessages) messages.erase(messages.begin(), messages.end() - kMaxMessages);
  if (long_file) {
    std::string lines;
    for (const std::string& message : messages) lines += Escaped(message);
    // A history that cannot be trimmed is only long; Append reports the reason.
    (void)Write(lines, O_TRUNC);
  }
  return messages;
}

absl::Status HistoryFile::Append(const std::string& message) const {
  return path_.empty() ? absl::OkStatus() : Write(Escaped(message), O_APPEND);
}

absl::Status HistoryFile::Write(const std::string& lines, int flags) const {
  MakeFolders(path_);
  const int fd = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot write the history ", path_));
  const auto close_file = absl::MakeCleanup([fd] { close(fd); });
  // One write: messages of two chats do not mix.
  if (fchmod(fd, 0600) != 0 || write(fd, lines.data(), lines.size()) != static_cast<ssize_t>(lines.size())) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write the history ", path_));
  }
  return absl::OkStatus();
}

}  // namespace perennial
