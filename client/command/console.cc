#include "client/command/console.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "client/command/utf8.h"

namespace perennial {
namespace {

void Write(std::FILE* stream, absl::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
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

void WriteOut(absl::string_view text) { Write(stdout, text); }
void WriteError(absl::string_view text) { Write(stderr, text); }

void ReportError(absl::string_view message, const Console& console) {
  const std::string safe = console.err_is_terminal ? TerminalSafe(message) : std::string(message);
  WriteError(Styled(absl::StrCat("perennial: ", safe), Style::kError, console.err_is_terminal && console.colours) +
             "\n");
}

}  // namespace perennial
