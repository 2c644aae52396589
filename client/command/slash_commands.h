// The commands inside a chat: lines that begin with a slash. What each does is told by the table in the .cc file, which
// is also what /help shows.

#ifndef PERENNIAL_CLIENT_COMMAND_SLASH_COMMANDS_H_
#define PERENNIAL_CLIENT_COMMAND_SLASH_COMMANDS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/chat_client.h"
#include "client/command/chat_screen.h"
#include "client/command/chat_session.h"
#include "client/command/chat_turns.h"

namespace perennial {

// One thread; all arguments must outlive it.
class SlashCommands {
 public:
  SlashCommands(ChatClient& client, const ChatScreen& screen, ChatSession& session, ChatTurns& turns)
      : client_(client), screen_(screen), session_(session), turns_(turns) {}

  // Runs `line`, which begins with a slash: a name, and after white space its argument. What was asked for is shown by
  // ChatScreen::Answer, the rest by Notice. Blocks for the calls that it takes; /attach as long as the turn runs.
  // Errors are the server's, or INVALID_ARGUMENT without a reason (error_text.h) for what was typed wrongly: an unknown
  // command, an argument too many, text that is not UTF-8, no number where one is needed. Then nothing was done.
  absl::Status Run(absl::string_view line);

  // /quit was given.
  bool leave() const { return leave_; }

  // The list that /help shows.
  static std::string Help();

 private:
  struct Command {
    absl::string_view name;
    absl::string_view argument;  // for the help; empty: takes none, and Run refuses one
    absl::string_view help;
    absl::Status (SlashCommands::*run)(absl::string_view argument);
  };
  static const Command kCommands[];  // in the order of /help

  // One for each command. The argument is as it was typed, without white space around it; empty: none was given.
  absl::Status New(absl::string_view system_prompt);  // deletes the session before, if this chat had made it
  absl::Status System(absl::string_view system_prompt);
  absl::Status Session(absl::string_view id);
  absl::Status Sessions(absl::string_view none);
  absl::Status Horizon(absl::string_view none);
  absl::Status Note(absl::string_view text);
  absl::Status Pin(absl::string_view turn);
  absl::Status Fork(absl::string_view none);
  absl::Status Rewind(absl::string_view to_turn);  // below 0: counted back from the newest
  absl::Status Attach(absl::string_view turn);
  absl::Status Cancel(absl::string_view none);
  absl::Status Transcript(absl::string_view none);
  absl::Status Stats(absl::string_view none);
  absl::Status ShowHelp(absl::string_view none);
  absl::Status Quit(absl::string_view none);

  ChatClient& client_;
  const ChatScreen& screen_;
  ChatSession& session_;
  ChatTurns& turns_;
  bool leave_ = false;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_SLASH_COMMANDS_H_
