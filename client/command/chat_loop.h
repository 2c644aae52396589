// The conversation of `perennial chat`: reads messages and commands, runs turns, tells what is remembered.

#ifndef PERENNIAL_CLIENT_COMMAND_CHAT_LOOP_H_
#define PERENNIAL_CLIENT_COMMAND_CHAT_LOOP_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/chat_client.h"
#include "client/command/console.h"
#include "client/command/interrupt.h"
#include "client/command/line_source.h"
#include "client/command/subcommand.h"
#include "perennial/v1/chat_service.pb.h"

namespace perennial {

struct ChatLoopOptions {
  v1::ChatRequest request;   // of every turn, without session and message
  v1::SessionConfig config;  // of sessions that this chat starts
  std::string session_id;    // not empty: go on with this one
  bool keep = false;         // sessions that this chat started outlive it
  bool show_status = true;   // a line of figures after each reply
};

// Two ways of being. With a person at a terminal (Console::interactive) it prompts, explains, stops a reply at Ctrl-C
// and goes on after errors. Otherwise it prints replies on standard output and nothing else there, and the first error
// or interrupt ends it. One thread; all arguments must outlive it.
class ChatLoop {
 public:
  ChatLoop(Invocation invocation, ChatClient& client, LineSource& lines, Interrupt& interrupt, ChatLoopOptions options);

  // Returns the process's exit code (exit_code.h). To a person who leaves it is 0 whatever went wrong in between.
  int Run();

 private:
  enum class Next { kGoOn, kLeave };

  // Begins: goes on with options_.session_id or creates a session. Reports errors.
  absl::Status Begin();
  absl::Status CreateSession();
  void Greet();

  // Reads one message; lines that end with a backslash go on. False at the end.
  bool ReadMessage(std::string& message);

  Next RunTurn(const std::string& message);
  Next RunSlashCommand(absl::string_view line);
  void EndSession();

  // Tells that a turn failed or was stopped, and what can be done.
  Next ReportTurn(const absl::Status& status, absl::string_view session_id);

  void ShowSession();
  void ShowStats();
  void ShowStatus(const std::string& line);
  void TellForgetting(const std::string& notice);
  void Notice(absl::string_view text);  // on its own line, for a person

  // Constant after construction.
  const Invocation invocation_;
  const Console& console_;
  ChatClient& client_;
  LineSource& lines_;
  Interrupt& interrupt_;
  const bool interactive_;

  ChatLoopOptions options_;   // config changes with /system and /new
  std::string session_id_;    // empty: none (any more)
  bool own_session_ = false;  // this chat created it
  bool told_forgetting_ = false;
  bool asked_to_leave_ = false;  // Ctrl-C at an empty prompt: once more leaves
  bool unreachable_ = false;     // the last call found no server
  int exit_code_ = kExitOk;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_CHAT_LOOP_H_
