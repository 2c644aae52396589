// The commands inside a chat: lines that begin with a slash.

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

  // Runs `line`, which begins with a slash. Errors are the server's, or INVALID_ARGUMENT without a reason for what was
  // typed wrongly.
  absl::Status Run(absl::string_view line);

  // /quit was given.
  bool leave() const { return leave_; }

  // The list that /help shows.
  static std::string Help();

 private:
  struct Command {
    absl::string_view name;
    absl::string_view argument;  // for the help
    absl::string_view help;
    absl::Status (SlashCommands::*run)(absl::string_view argument);
  };
  static const Command kCommands[];

  absl::Status New(absl::string_view system_prompt);
  absl::Status System(absl::string_view system_prompt);
  absl::Status Session(absl::string_view id);
  absl::Status Sessions(absl::string_view none);
  absl::Status Horizon(absl::string_view none);
  absl::Status Note(absl::string_view text);
  absl::Status Pin(absl::string_view turn);
  absl::Status Fork(absl::string_view none);
  absl::Status Rewind(absl::string_view to_turn);
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
