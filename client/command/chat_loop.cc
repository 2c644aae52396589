#include "client/command/chat_loop.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "client/command/format.h"
#include "client/command/reply_printer.h"
#include "client/command/session_text.h"
#include "client/command/turn_flags.h"
#include "client/command/utf8.h"
#include "client/error_text.h"

namespace perennial {
namespace {

constexpr absl::string_view kSlashHelp = R"(  /new [TEXT]     start a new session; with TEXT as its system prompt
  /system TEXT    start a new session with this system prompt (/system alone shows it)
  /session        about this session: its id, what it remembers, when it expires
  /stats          what the server is doing
  /help           this
  /quit           leave (so does Ctrl-D)
  Ctrl-C stops a reply. A line that ends with \ goes on with the next one; Alt-Enter begins a line, too.
  A message that begins with a slash: write two.
)";

}  // namespace

ChatLoop::ChatLoop(Invocation invocation, ChatClient& client, LineSource& lines, Interrupt& interrupt,
                   ChatLoopOptions options)
    : invocation_(std::move(invocation)),
      console_(invocation_.console),
      client_(client),
      lines_(lines),
      interrupt_(interrupt),
      interactive_(console_.interactive()),
      options_(std::move(options)) {}

int ChatLoop::Run() {
  if (const absl::Status status = Begin(); !status.ok()) return CallError(invocation_, status);
  if (interactive_) Greet();
  std::string message;
  while (ReadMessage(message)) {
    if (absl::StripAsciiWhitespace(message).empty()) continue;
    if (interactive_) lines_.Remember(message);
    const bool slash = absl::StartsWith(message, "/") && !absl::StartsWith(message, "//");
    const Next next =
        slash ? RunSlashCommand(message) : RunTurn(absl::StartsWith(message, "//") ? message.substr(1) : message);
    if (next == Next::kLeave || interrupt_.quit_requested()) break;
  }
  EndSession();
  return exit_code_;
}

absl::Status ChatLoop::Begin() {
  if (options_.session_id.empty()) return CreateSession();
  const auto session = client_.GetSession(options_.session_id);
  if (!session.ok()) return session.status();
  session_id_ = session->session_id();
  if (session->memory().forgotten_tokens() > 0) told_forgetting_ = true;
  return absl::OkStatus();
}

absl::Status ChatLoop::CreateSession() {
  const auto session = client_.CreateSession(options_.config);
  unreachable_ = ClassifyError(session.status()) == ErrorClass::kUnreachable;
  if (!session.ok()) return session.status();
  session_id_ = session->session_id();
  own_session_ = true;
  told_forgetting_ = false;
  return absl::OkStatus();
}

void ChatLoop::Greet() {
  const auto session = client_.GetSession(session_id_);
  const auto model = client_.GetModel();
  if (!session.ok() || !model.ok()) return;
  const v1::SessionMemory& memory = session->memory();
  Notice(absl::StrCat(model->model(), " on ", model->runner(), " · reads ",
                      CountText(memory.sink_tokens() + memory.window_tokens(), "token", "tokens"), " at a time (",
                      CountText(memory.sink_tokens(), "sink", "sinks"), ")"));
  if (memory.stream_tokens() > 0 && session->turns() > 0) {
    Notice(absl::StrCat("This session goes on after ", CountText(session->turns(), "turn", "turns"), ": ",
                        MemoryText(memory)));
  }
  Notice("Ctrl-C stops a reply, Ctrl-D leaves, /help lists commands.");
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
      if (!interactive_) {
        exit_code_ = kExitInterrupted;
        return false;
      }
      if (message.empty() && line.empty()) {
        if (asked_to_leave_) return false;
        asked_to_leave_ = true;
        Notice("Ctrl-C again leaves, and so does Ctrl-D.");
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
  if (const absl::Status status = CheckUtf8("the message", message); !status.ok()) {
    ReportError(status.message(), console_);
    if (interactive_) return Next::kGoOn;
    exit_code_ = kExitUsage;
    return Next::kLeave;
  }
  v1::ChatRequest request = options_.request;
  request.set_session_id(session_id_);
  request.set_message(message);

  interrupt_.Clear();
  CancelToken cancel;
  ReplyPrinter printer(console_, /*quiet=*/false);
  absl::StatusOr<v1::Finished> finished;
  {
    const OnInterrupt on_interrupt(interrupt_, [&cancel] { cancel.Cancel(); });
    finished = client_.Chat(
        std::move(request), [&printer](const v1::TurnEvent& event) { printer.OnEvent(event); }, &cancel);
  }
  printer.End();
  unreachable_ = ClassifyError(finished.status()) == ErrorClass::kUnreachable;
  if (!finished.ok()) return ReportTurn(finished.status(), session_id_);
  if (finished->memory().forgotten_tokens() > 0 && !std::exchange(told_forgetting_, true)) {
    TellForgetting(ForgettingNotice(printer.evicted(), finished->memory()));
  }
  ShowStatus(StatusLine(*finished));
  return Next::kGoOn;
}

ChatLoop::Next ChatLoop::ReportTurn(const absl::Status& status, absl::string_view session_id) {
  const ErrorClass error = ClassifyError(status);
  if (!interactive_) {
    exit_code_ = CallError(invocation_, status);
    return Next::kLeave;
  }
  if (error == ErrorClass::kCancelled) {
    // The reply's figures come only with its regular end; what the session holds now can be asked for.
    const auto session = client_.GetSession(std::string(session_id));
    ShowStatus(session.ok() ? absl::StrCat("stopped · ", MemoryText(session->memory())) : "stopped");
    return Next::kGoOn;
  }
  ReportError(ErrorText(status, client_.server()), console_);
  if (error == ErrorClass::kUnreachable) {
    Notice("When the server is back, /new starts a new session (this one may be gone with it).");
  } else if (error == ErrorClass::kSessionUnknown) {
    own_session_ = false;
    Notice("The session is gone: idle for too long, deleted, or the server was restarted. /new starts a new one.");
  }
  return Next::kGoOn;
}

ChatLoop::Next ChatLoop::RunSlashCommand(absl::string_view line) {
  const size_t space = line.find_first_of(" \t\n");
  const absl::string_view name = line.substr(0, space);
  const absl::string_view rest =
      space == absl::string_view::npos ? absl::string_view() : absl::StripAsciiWhitespace(line.substr(space));
  if (name == "/quit" || name == "/exit") return Next::kLeave;
  if (name == "/help") {
    WriteOut(Styled(kSlashHelp, Style::kDim, interactive_ && console_.colours));
  } else if (name == "/session") {
    ShowSession();
  } else if (name == "/stats") {
    ShowStats();
  } else if (name == "/system" && rest.empty()) {
    Notice(options_.config.history().empty() ? "No system prompt was given."
                                             : absl::StrCat("System prompt: ", options_.config.history(0).text()));
  } else if (name == "/new" || name == "/system") {
    if (!rest.empty()) {
      const absl::Status status = CheckUtf8("the system prompt", rest);
      if (!status.ok()) {
        ReportError(status.message(), console_);
        return Next::kGoOn;
      }
      options_.config.clear_history();
      v1::Message* message = options_.config.add_history();
      message->set_role(v1::ROLE_SYSTEM);
      message->set_text(std::string(rest));
    }
    EndSession();
    if (const absl::Status status = CreateSession(); !status.ok()) return ReportTurn(status, session_id_);
    Notice(absl::StrCat("A new session", options_.config.history().empty() ? "" : " with the system prompt given",
                        ". The model remembers nothing of the last one."));
  } else {
    ReportError(absl::StrCat("unknown command ", name, "; /help lists them"), console_);
    if (!interactive_) {
      exit_code_ = kExitUsage;
      return Next::kLeave;
    }
  }
  return Next::kGoOn;
}

void ChatLoop::EndSession() {
  if (!own_session_) return;
  own_session_ = false;
  if (options_.keep) {
    const std::string line = absl::StrCat("session: ", session_id_);
    if (interactive_) {
      Notice(absl::StrCat(line, "  (perennial chat --session=", session_id_, " goes on with it)"));
    } else {
      WriteError(absl::StrCat(line, "\n"));
    }
  } else if (!unreachable_) {
    // It holds cache memory that others may wait for. If this fails the server's idle timeout does it.
    (void)client_.DeleteSession(session_id_);
  }
}

void ChatLoop::ShowSession() {
  const auto session = client_.GetSession(session_id_);
  if (!session.ok()) {
    ReportError(ErrorText(session.status(), client_.server()), console_);
    return;
  }
  WriteOut(Styled(SessionFields(*session, absl::Now()), Style::kDim, interactive_ && console_.colours));
}

void ChatLoop::ShowStats() {
  const auto stats = client_.GetStats();
  if (!stats.ok()) {
    ReportError(ErrorText(stats.status(), client_.server()), console_);
    return;
  }
  WriteOut(Styled(StatsText(*stats), Style::kDim, interactive_ && console_.colours));
}

void ChatLoop::ShowStatus(const std::string& line) {
  if (!options_.show_status) return;
  if (interactive_) {
    Notice(line);
    WriteOut("\n");
  } else {
    WriteError(absl::StrCat(line, "\n"));
  }
}

void ChatLoop::TellForgetting(const std::string& notice) {
  if (interactive_) {
    WriteOut(absl::StrCat(Styled(absl::StrCat("Note: ", notice), Style::kWarning, console_.colours), "\n"));
  } else {
    WriteError(absl::StrCat("perennial: note: ", notice, "\n"));
  }
}

void ChatLoop::Notice(absl::string_view text) {
  const std::string line = TerminalSafe(text);
  if (interactive_) WriteOut(Styled(line, Style::kDim, console_.colours) + "\n");
}

}  // namespace perennial
