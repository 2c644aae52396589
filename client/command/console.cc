#include "client/command/console.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "client/command/utf8.h"

namespace perennial {
namespace {

bool output_lost = false;

// False when it could not be written: errno says why.
bool Write(int fd, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {  // another program that uses the same pipe or terminal has made it non-blocking
      pollfd ready{fd, POLLOUT, 0};
      poll(&ready, 1, /*timeout=*/-1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace

Console Console::FromProcess() {
  Console console;
  console.in_is_terminal = isatty(STDIN_FILENO) == 1;
  console.out_is_terminal = isatty(STDOUT_FILENO) == 1;
  console.err_is_terminal = isatty(STDERR_FILENO) == 1;
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  console.moves_cursor = terminal != nullptr && *terminal != '\0' && absl::string_view(terminal) != "dumb";
  console.colours = console.moves_cursor && (no_color == nullptr || *no_color == '\0');
  return console;
}

std::string Styled(absl::string_view text, Style style, bool colours) {
  if (!colours || style == Style::kPlain || text.empty()) return std::string(text);
  absl::string_view code;
  switch (style) {
    case Style::kPlain:
      break;
    case Style::kDim:
      code = "2";
      break;
    case Style::kBold:
      code = "1";
      break;
    case Style::kPrompt:
      code = "1;36";
      break;
    case Style::kWarning:
      code = "33";
      break;
    case Style::kError:
      code = "31";
      break;
  }
  return absl::StrCat("\033[", code, "m", text, "\033[0m");
}

void WriteError(absl::string_view text) { Write(STDERR_FILENO, text); }

void WriteOut(absl::string_view text) {
  if (output_lost || Write(STDOUT_FILENO, text)) return;
  output_lost = true;
  if (errno == EPIPE) return;
  WriteError(absl::StrCat("perennial: standard output cannot be written: ", std::strerror(errno), "\n"));
}

bool OutputLost() { return output_lost; }

void ReportError(absl::string_view message, const Console& console) {
  const std::string safe = console.err_is_terminal ? TerminalSafe(message) : std::string(message);
  WriteError(Styled(absl::StrCat("perennial: ", safe), Style::kError, console.err_is_terminal && console.colours) +
             "\n");
}

}  // namespace perennial
