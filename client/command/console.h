// The process's standard streams: what kind they are, how to write on them, and colour.

#ifndef PERENNIAL_CLIENT_COMMAND_CONSOLE_H_
#define PERENNIAL_CLIENT_COMMAND_CONSOLE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace perennial {

// Facts about the surroundings, read once at the start. A value, so that tests can make any.
struct Console {
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  bool moves_cursor = true;  // false with TERM=dumb or without TERM: no escape sequences at all
  bool colours = true;       // false as well with NO_COLOR set (to anything but nothing)

  static Console FromProcess();

  // A person sits on both ends: prompts and line editing make sense.
  bool interactive() const { return in_is_terminal && out_is_terminal; }
};

// Styles of text.
enum class Style { kPlain, kDim, kBold, kPrompt, kWarning, kError };

// `text` in that style, for a stream that shows colours (`colours`), else as it is.
std::string Styled(absl::string_view text, Style style, bool colours);

// Writes at once; waits for a reader that is slow. What cannot be written to standard error is lost.
void WriteError(absl::string_view text);

// The same on standard output. When that fails (its reader has left, the disk is full), OutputLost() is true from then
// on, and nothing more is written: whoever writes a lot should look and stop. What else went wrong than that the reader
// has left is told on standard error. main() ignores SIGPIPE, which would end the program before it could stop a turn.
// One thread.
void WriteOut(absl::string_view text);
bool OutputLost();

// "perennial: " and the message on standard error, in one line, red where colours are shown.
void ReportError(absl::string_view message, const Console& console);

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_CONSOLE_H_
