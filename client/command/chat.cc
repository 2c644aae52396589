// `perennial chat`: a conversation.

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "client/command/chat_loop.h"
#include "client/command/history_file.h"
#include "client/command/interrupt.h"
#include "client/command/line_source.h"
#include "client/command/session_flags.h"
#include "client/command/subcommand.h"
#include "client/command/terminal_lines.h"
#include "client/command/turn_flags.h"
#include "client/command/turn_rules.h"

namespace perennial {
namespace {

constexpr absl::string_view kHelp = R"(perennial chat: talk with the model, for as long as you like.

Usage: perennial chat [FLAGS]

At a terminal: type a message and Enter. Ctrl-C stops a reply; at an empty prompt, twice, it leaves, as does Ctrl-D. A line
that ends with a backslash goes on with the next one; Alt-Enter begins a new line, too. /help lists the commands.
The line after a reply counts tokens: seen by the session, cached (what the model can read now), forgotten (what it never
will again). A mark in the chat shows where memory begins once something is forgotten; /horizon tells more. What /note
and /pin keep is never forgotten.

A reply belongs to its session, not to the connection: when that is lost, the chat connects again and the reply goes on
where it stopped. /attach shows a reply again, also one that another client asked for. /fork goes on in a copy of the
session, /rewind takes turns back.

With standard input from a pipe every line is a message or a command, replies go to standard output, and the first error ends it.

Examples:
  perennial chat
  perennial chat --system="You are a patient teacher." --temperature=0.7
  perennial chat --keep                      the session outlives the chat; its id is printed at the end
  perennial chat --session=ID                go on with it
  printf 'Hello\nAnd goodbye\n' | perennial chat --status
)";

}  // namespace

int RunChat(Invocation invocation) {
  const bool interactive = invocation.console.interactive();
  ChatLoopOptions options;
  bool keep_history = true;
  absl::Duration patience = BackoffOptions().patience;
  std::string history_file = HistoryFile::DefaultPath();
  TurnFlags turn;
  TurnRules rules;
  SessionFlags session;
  FlagSet flags;
  flags.AddHeading("Flags:");
  flags.Add("session", &options.session_id, "ID", "go on with this session");
  flags.AddSwitch("keep", &options.keep, "leave the session on the server when leaving");
  flags.Add("patience", &patience, "TIME", "how long a lost connection is tried again; 0: not; default: 2m");
  flags.AddSwitch("status", &options.show_status, "the line of figures after each reply; default: at a terminal");
  flags.AddSwitch("history", &keep_history, "remember what is typed for the next chat; --nohistory: do not");
  flags.Add("history_file", &history_file, "FILE", "where; default: perennial/chat_history in the XDG state folder");
  flags.AddHeading("Replies (what is not given is the model's default, see perennial model):");
  turn.AddTo(flags);
  rules.AddTo(flags);
  flags.AddHeading("The session, if a new one:");
  session.AddTo(flags);
  options.show_status = interactive;
  int exit_code = kExitOk;
  const auto positional = ParseFlags(flags, invocation, kHelp, exit_code);
  if (!positional.has_value()) return exit_code;

  if (!positional->empty()) {
    return UsageError(invocation, "chat takes no text; perennial ask does");
  }
  if (!options.session_id.empty() && (options.keep || session.any_given())) {
    return UsageError(invocation, "--session goes on with a session; --keep and the flags that make one do not fit");
  }
  auto request = turn.Request();
  if (request.ok()) {
    if (absl::Status status = rules.ApplyTo(*request); !status.ok()) request = std::move(status);
  }
  auto config = session.Config();
  for (const absl::Status& status : {request.status(), config.status()}) {
    if (!status.ok()) return UsageError(invocation, status.message());
  }
  options.request = *std::move(request);
  options.config = *std::move(config);
  options.note_tokens = session.note_tokens;
  const auto client = NewClient(invocation, {.turns_survive = true, .reconnect = {.patience = patience}});
  if (client == nullptr) return kExitUsage;

  Interrupt interrupt;
  std::unique_ptr<LineSource> lines;
  if (interactive) {
    lines =
        std::make_unique<TerminalLines>(invocation.console, interrupt, HistoryFile(keep_history ? history_file : ""));
  } else {
    lines = std::make_unique<PipedLines>(STDIN_FILENO, interrupt);
  }
  return ChatLoop(std::move(invocation), *client, *lines, interrupt, std::move(options)).Run();
}

}  // namespace perennial
