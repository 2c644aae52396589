// What a chat shows besides the replies themselves.

#ifndef PERENNIAL_CLIENT_COMMAND_CHAT_SCREEN_H_
#define PERENNIAL_CLIENT_COMMAND_CHAT_SCREEN_H_

#include <string>

#include "absl/strings/string_view.h"
#include "client/command/console.h"

namespace perennial {

// To a person at a terminal everything, dimmed, between the replies; at a pipe only what was asked for on standard
// output and warnings on standard error.
class ChatScreen {
 public:
  // `show_status`: the line of figures after each reply.
  ChatScreen(const Console& console, bool show_status)
      : console_(console), interactive_(console.interactive()), show_status_(show_status) {}

  bool interactive() const { return interactive_; }
  const Console& console() const { return console_; }

  // One line for a person only.
  void Notice(absl::string_view text) const;

  // Lines that a command was asked for, each with its line feed.
  void Answer(absl::string_view lines) const;

  // The line after a reply.
  void Status(const std::string& line) const;

  // "Note: …", for everybody.
  void Warn(const std::string& text) const;

 private:
  const Console console_;
  const bool interactive_;
  const bool show_status_;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_CHAT_SCREEN_H_
