// Lines typed at a terminal: editing, history, pasting, Ctrl-C. Built on libedit.

#ifndef PERENNIAL_CLIENT_COMMAND_TERMINAL_LINES_H_
#define PERENNIAL_CLIENT_COMMAND_TERMINAL_LINES_H_

#include <memory>
#include <string>

#include "client/command/console.h"
#include "client/command/history_file.h"
#include "client/command/interrupt.h"
#include "client/command/line_source.h"

namespace perennial {

// Emacs keys (or what ~/.editrc says), arrow keys and Ctrl-R for the history, Alt-Enter for a line feed inside the
// message. Pasted text with several lines stays one message. UTF-8 whatever the locale says. One at a time; main
// thread.
class TerminalLines : public LineSource {
 public:
  // Standard input and output must be a terminal. `interrupt` must outlive this.
  TerminalLines(const Console& console, Interrupt& interrupt, HistoryFile history);
  ~TerminalLines() override;
  TerminalLines(const TerminalLines&) = delete;
  TerminalLines& operator=(const TerminalLines&) = delete;

  LineResult Read(const std::string& prompt, std::string& line) override;

  // Writes it to the history file, too. Reports a file that cannot be written once, then stays silent.
  void Remember(const std::string& message) override;

 private:
  struct Editor;  // keeps libedit's header out of this one

  const Console console_;
  const HistoryFile history_;
  bool history_failed_ = false;
  const std::unique_ptr<Editor> editor_;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_TERMINAL_LINES_H_
