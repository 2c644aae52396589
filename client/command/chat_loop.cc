#include "client/command/chat_loop.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/command/format.h"
#include "client/command/turn_flags.h"
#include "client/error_text.h"

namespace perennial {

ChatLoop::ChatLoop(Invocation invocation, ChatClient& client, LineSource& lines, Interrupt& interrupt,
                   ChatLoopOptions options)
    : invocation_(std::move(invocation)),
      screen_(invocation_.console, options.show_status),
      client_(client),
      lines_(lines),
      interrupt_(interrupt),
      options_(std::move(options)),
      session_(client, options_.config, options_.note_tokens),
      turns_(client, screen_, session_, interrupt),
      commands_(client, screen_, session_, turns_) {}

int ChatLoop::Run() {
  const absl::Status begun = options_.session_id.empty() ? session_.Create() : session_.GoOnWith(options_.session_id);
  if (!begun.ok()) return CallError(invocation_, begun);
  turns_.ForSession(session_.session());
  if (screen_.interactive()) Greet();
  std::string message;
  while (ReadMessage(message)) {
    if (absl::StripAsciiWhitespace(message).empty()) continue;
    if (screen_.interactive()) lines_.Remember(message);
    const bool slash = absl::StartsWith(message, "/") && !absl::StartsWith(message, "//");
    const Next next =
        slash ? RunSlashCommand(message) : RunTurn(absl::StartsWith(message, "//") ? message.substr(1) : message);
    if (next == Next::kLeave || interrupt_.quit_requested() || OutputLost()) break;
  }
  End();
  return exit_code_;
}

void ChatLoop::Greet() {
  const auto model = client_.GetModel();
  if (!model.ok()) return;
  const v1::Session& session = session_.session();
  const v1::SessionMemory& memory = session.memory();
  screen_.Notice(absl::StrCat(model->model(), " on ", model->runner(), " · reads ",
                              CountText(memory.sink_tokens() + memory.window_tokens(), "token", "tokens"),
                              " at a time (", CountText(memory.sink_tokens(), "sink", "sinks"), ")"));
  if (session.notes().budget_tokens() > 0) {
    screen_.Notice(absl::StrCat("/note TEXT is never forgotten: up to ",
                                CountText(session.notes().budget_tokens(), "token", "tokens"), "."));
  }
  if (session.turns() > 0) {
    screen_.Notice(absl::StrCat("This session goes on after ", CountText(session.turns(), "turn", "turns"), ": ",
                                MemoryText(memory)));
  }
  if (session.state() == v1::SESSION_STATE_RUNNING) {
    screen_.Notice("A turn of it runs: /attach follows it, /cancel ends it.");
  }
  screen_.Notice("Ctrl-C stops a reply, Ctrl-D leaves, /help lists commands.");
}

bool ChatLoop::ReadMessage(std::string& message) {
  message.clear();
  std::string line;
  while (true) {
    const LineResult result = lines_.Read(message.empty() ? "> " : ". ", line);
    if (result == LineResult::kEnd) {
      return !interrupt_.quit_requested() && !message.empty();  // a last line that wanted to go on
    }
    if (result == LineResult::kInterrupted) {
      if (!screen_.interactive()) {
        exit_code_ = kExitInterrupted;
        return false;
      }
      if (message.empty() && line.empty()) {
        if (asked_to_leave_) return false;
        asked_to_leave_ = true;
        screen_.Notice("Ctrl-C again leaves, and so does Ctrl-D.");
      }
      message.clear();
      continue;
    }
    asked_to_leave_ = false;
    if (absl::EndsWith(line, "\\")) {
      absl::StrAppend(&message, absl::StripSuffix(line, "\\"), "\n");
      continue;
    }
    message += line;
    return true;
  }
}

ChatLoop::Next ChatLoop::RunTurn(const std::string& message) {
  if (absl::Status status = CheckUtf8("the message", message); !status.ok()) return Report(status);
  return Report(turns_.Say(options_.request, message));
}

ChatLoop::Next ChatLoop::RunSlashCommand(const std::string& line) {
  const Next next = Report(commands_.Run(line));
  return commands_.leave() ? Next::kLeave : next;
}

ChatLoop::Next ChatLoop::Report(const absl::Status& status) {
  const ErrorClass error = ClassifyError(status);
  unreachable_ = error == ErrorClass::kUnreachable;
  if (status.ok()) return Next::kGoOn;
  const std::string reason = ErrorReason(status);
  if (!screen_.interactive()) {
    exit_code_ = CallError(invocation_, status);
    // A mistake in the input, not the server's refusal.
    if (status.code() == absl::StatusCode::kInvalidArgument && reason.empty()) exit_code_ = kExitUsage;
    return Next::kLeave;
  }
  if (error == ErrorClass::kCancelled) {
    screen_.Notice("Stopped here; the server may still finish the reply. /attach shows it.");
    return Next::kGoOn;
  }
  ReportError(ErrorText(status, client_.server()), screen_.console());
  if (error == ErrorClass::kUnreachable) {
    screen_.Notice(
        "When the server can be reached again: /attach shows the reply if it has gone on without you;\n"
        "/new starts a new session (this one may be gone with the server).");
  } else if (error == ErrorClass::kSessionUnknown) {
    // Of a turn that is unknown the session may still be there.
    if (session_.Refresh().ok()) return Next::kGoOn;
    session_.Disown();
    screen_.Notice(
        "The session is gone: idle for too long, deleted, or the server was restarted. /new starts a new one.");
  } else if (reason == "STALE_TURN") {
    screen_.Notice(absl::StrCat("Its last turn is now turn ", CountText(session_.last_turn()),
                                ": /attach shows it. Then send your message again."));
  }
  return Next::kGoOn;
}

void ChatLoop::End() {
  if (options_.keep && session_.made_here()) {
    const std::string line = absl::StrCat("session: ", session_.id());
    if (screen_.interactive()) {
      screen_.Notice(absl::StrCat(line, "  (perennial chat --session=", session_.id(), " goes on with it)"));
    } else {
      WriteError(absl::StrCat(line, "\n"));
    }
  } else if (!options_.keep && !unreachable_) {
    // They hold cache memory that others may wait for.
    session_.DeleteAll();
  }
}

}  // namespace perennial
