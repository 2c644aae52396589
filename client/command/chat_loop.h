// The conversation of `perennial chat`: reads messages and commands, runs turns, tells what went wrong.

#ifndef PERENNIAL_CLIENT_COMMAND_CHAT_LOOP_H_
#define PERENNIAL_CLIENT_COMMAND_CHAT_LOOP_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/chat_client.h"
#include "client/command/chat_screen.h"
#include "client/command/chat_session.h"
#include "client/command/chat_turns.h"
#include "client/command/interrupt.h"
#include "client/command/line_source.h"
#include "client/command/slash_commands.h"
#include "client/command/subcommand.h"
#include "perennial/v1/chat_service.pb.h"

namespace perennial {

struct ChatLoopOptions {
  v1::ChatRequest request;             // of every turn, without session and message
  v1::SessionConfig config;            // of sessions that this chat starts
  std::optional<int32_t> note_tokens;  // of the same; nothing: a default that the server allows
  std::string session_id;              // not empty: go on with this one
  bool keep = false;                   // sessions that this chat started outlive it
  bool show_status = true;             // a line of figures after each reply
};

// Two ways of being. With a person at a terminal (Console::interactive) it prompts, explains, stops a reply at Ctrl-C
// and goes on after errors. Otherwise it prints replies on standard output and nothing else there but what commands
// answer, and the first error or interrupt ends it. One thread; all arguments must outlive it.
class ChatLoop {
 public:
  ChatLoop(Invocation invocation, ChatClient& client, LineSource& lines, Interrupt& interrupt, ChatLoopOptions options);

  // Returns the process's exit code (exit_code.h). To a person who leaves it is 0 whatever went wrong in between.
  int Run();

 private:
  enum class Next { kGoOn, kLeave };

  // Model, cache, notes and where the session stands, for a person. Says nothing where the server does not answer: the
  // first turn will.
  void Greet();

  // Reads one message; lines that end with a backslash go on. False at the end of the input, and when Ctrl-C means to
  // leave: twice at an empty prompt, or once at a pipe (exit_code_ says so then).
  bool ReadMessage(std::string& message);

  // Blocks until the reply has ended and is shown.
  Next RunTurn(const std::string& message);
  Next RunSlashCommand(const std::string& line);

  // Tells that something failed or was stopped, and what can be done. To a person the chat goes on; otherwise
  // exit_code_ is set and the chat ends.
  Next Report(const absl::Status& status);

  // Deletes what this chat has made, or with `keep` says its id. Sessions of a server that was gone are left to their
  // idle timeout.
  void End();

  // Constant after construction.
  const Invocation invocation_;
  const ChatScreen screen_;
  ChatClient& client_;
  LineSource& lines_;
  Interrupt& interrupt_;
  const ChatLoopOptions options_;

  ChatSession session_;
  ChatTurns turns_;
  SlashCommands commands_;
  bool asked_to_leave_ = false;  // Ctrl-C at an empty prompt: once more leaves
  bool unreachable_ = false;     // the last call found no server
  int exit_code_ = kExitOk;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_CHAT_LOOP_H_
