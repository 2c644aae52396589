#include "client/command/subcommand.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/command/format.h"
#include "client/command/json_text.h"
#include "client/error_text.h"

namespace perennial {
namespace {

constexpr Subcommand kSubcommands[] = {
    {"chat", "talk with the model, for as long as you like", RunChat},
    {"ask", "ask one question and print the reply", RunAsk},
    {"sessions", "list, show, create, fork, rewind, annotate and delete sessions", RunSessions},
    {"stats", "what the server is doing", RunStats},
    {"model", "what the server serves: model, defaults, limits", RunModel},
    {"count", "count the tokens of a text", RunCount},
};

constexpr absl::string_view kIntroduction =
    R"(perennial: chat with a model that reads with a cache of constant size, without end.

Usage: perennial [--server=HOST:PORT] SUBCOMMAND [FLAGS] [ARGUMENTS]

)";

constexpr absl::string_view kEpilogue = R"(
Examples:
  perennial chat                              a conversation; /help inside lists more
  perennial ask "Why is the sky blue?"        one question
  git diff | perennial ask "Review this:" -   standard input as part of the question
  perennial sessions                          who is there, and how much each has forgotten
  perennial ask --help                        flags and examples of one subcommand

Exit codes:
    0  done
    1  the server refused or failed; the message says why
    2  wrong usage: unknown flag, malformed value, text that is not UTF-8
    3  no server there, not a Perennial server, connection lost, or the server shuts down
    4  the session does not exist, or no longer
  130  interrupted (Ctrl-C)

Environment:
  PERENNIAL_SERVER  HOST:PORT for when --server is not given
  NO_COLOR          no colours
  XDG_STATE_HOME    where chat keeps its history (perennial/chat_history); default ~/.local/state
)";

int PrintHelp(FlagSet& flags) {
  std::vector<std::pair<std::string, std::string>> summaries;
  for (const Subcommand& subcommand : kSubcommands) summaries.emplace_back(subcommand.name, subcommand.summary);
  WriteOut(absl::StrCat(kIntroduction, "Subcommands:\n", Fields(summaries), "\nFlags:\n", flags.Help(), kEpilogue));
  return kExitOk;
}

}  // namespace

absl::Span<const Subcommand> Subcommands() { return kSubcommands; }

void CommonFlags::AddTo(FlagSet& flags) {
  flags.Add("server", &server, "HOST:PORT", "the server's address; default: PERENNIAL_SERVER or 127.0.0.1:50051");
  flags.Add("route", &route, "NAME",
            "what a proxy chooses the server by; default: random.\n"
            "Needed only to reach a session of another client behind a proxy");
}

int RunCommand(const std::vector<std::string>& arguments, absl::string_view server, const Console& console) {
  Invocation invocation{.arguments = {}, .common = {}, .console = console};
  if (!server.empty()) invocation.common.server = std::string(server);
  FlagSet flags;
  invocation.common.AddTo(flags);
  auto rest = flags.Parse(arguments, /*stop_at_positional=*/true);
  if (!rest.ok()) return UsageError(invocation, rest.status().message());
  if (flags.help_requested()) return PrintHelp(flags);
  if (rest->empty()) {
    PrintHelp(flags);
    return UsageError(invocation, "a subcommand is missing");
  }
  const std::string name = rest->front();
  if (name == "help") return PrintHelp(flags);
  invocation.arguments.assign(rest->begin() + 1, rest->end());
  for (const Subcommand& subcommand : kSubcommands) {
    if (subcommand.name == name) return subcommand.run(std::move(invocation));
  }
  return UsageError(invocation, absl::StrCat("unknown subcommand '", name, "'; perennial --help lists them"));
}

std::optional<std::vector<std::string>> ParseFlags(FlagSet& flags, Invocation& invocation, absl::string_view help,
                                                   int& exit_code) {
  flags.AddHeading("Flags of every subcommand:");
  invocation.common.AddTo(flags);
  auto positional = flags.Parse(invocation.arguments);
  if (flags.help_requested()) {
    WriteOut(absl::StrCat(help, "\n", flags.Help()));
    exit_code = kExitOk;
    return std::nullopt;
  }
  if (!positional.ok()) {
    exit_code = UsageError(invocation, positional.status().message());
    return std::nullopt;
  }
  return *std::move(positional);
}

std::unique_ptr<ChatClient> NewClient(const Invocation& invocation, ChatClientOptions options) {
  options.server = invocation.common.server;
  options.route = invocation.common.route;
  auto client = ChatClient::Create(std::move(options));
  if (client.ok()) return *std::move(client);
  UsageError(invocation, client.status().message());
  return nullptr;
}

int UsageError(const Invocation& invocation, absl::string_view message) {
  ReportError(absl::StrCat(message, "; --help explains"), invocation.console);
  return kExitUsage;
}

int CallError(const Invocation& invocation, const absl::Status& status, bool json) {
  // Cancelled because of that: no news.
  if (OutputLost() && ClassifyError(status) == ErrorClass::kCancelled) return kExitOutputLost;
  ReportError(ErrorText(status, invocation.common.server), invocation.console);
  if (json) WriteOut(ErrorJson(status, invocation.common.server));
  return ExitCodeOf(status);
}

int ExitCodeOf(const absl::Status& status) {
  switch (ClassifyError(status)) {
    case ErrorClass::kNone:
      return kExitOk;
    case ErrorClass::kServerError:
      return kExitServerError;
    case ErrorClass::kUnreachable:
      return kExitUnreachable;
    case ErrorClass::kSessionUnknown:
      return kExitSessionUnknown;
    case ErrorClass::kCancelled:
      return kExitInterrupted;
  }
  return kExitServerError;
}

}  // namespace perennial
