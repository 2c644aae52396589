// Where `perennial chat` gets its lines from: a terminal with line editing (terminal_lines.h) or a pipe.

#ifndef PERENNIAL_CLIENT_COMMAND_LINE_SOURCE_H_
#define PERENNIAL_CLIENT_COMMAND_LINE_SOURCE_H_

#include <string>

#include "client/command/interrupt.h"

namespace perennial {

enum class LineResult {
  kLine,
  kEnd,          // end of input (Ctrl-D), or the process was asked to quit
  kInterrupted,  // Ctrl-C
};

class LineSource {
 public:
  virtual ~LineSource() = default;

  // Waits for a line and puts it, without its line feed, into `line`; with kInterrupted what had been typed. `prompt`
  // is shown where a person types.
  virtual LineResult Read(const std::string& prompt, std::string& line) = 0;

  // Notes a message for the arrow keys of later sessions, where there are any.
  virtual void Remember(const std::string& message) = 0;
};

// Lines of a descriptor that nobody edits: a pipe or a file. No prompt, no history.
class PipedLines : public LineSource {
 public:
  // Reads `fd` (not owned); both must outlive this.
  PipedLines(int fd, Interrupt& interrupt) : fd_(fd), interrupt_(interrupt) {}

  // A last line without line feed is a line, too.
  LineResult Read(const std::string& prompt, std::string& line) override;
  void Remember(const std::string&) override {}

 private:
  const int fd_;
  Interrupt& interrupt_;
  std::string unread_;  // read from fd_, not yet returned
  bool at_end_ = false;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_LINE_SOURCE_H_
