// `perennial ask`: one question, one reply.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/backoff.h"
#include "client/command/format.h"
#include "client/command/input.h"
#include "client/command/interrupt.h"
#include "client/command/json_text.h"
#include "client/command/reply_printer.h"
#include "client/command/session_flags.h"
#include "client/command/subcommand.h"
#include "client/command/turn_flags.h"
#include "client/command/turn_rules.h"

namespace perennial {
namespace {

constexpr absl::string_view kHelp = R"(perennial ask: one question, one reply.

Usage: perennial ask [FLAGS] TEXT…      words are joined; "-" stands for standard input
       COMMAND | perennial ask [FLAGS]  without TEXT the question is standard input

The reply goes to standard output as it is made, everything else to standard error. Without --session the question
stands alone: its session ends with the reply.

Examples:
  perennial ask "What is the capital of France?"
  perennial ask --temperature=0 --seed=1 --max_tokens=60 "Tell me a story."
  perennial ask "Summarise:" - < report.txt
  perennial ask --keep "My name is Ada."          prints the session's id on standard error
  perennial ask --session=ID "What is my name?"   goes on with it
  perennial ask --json "Hello" | jq .usage

A lost connection is found again, and the reply goes on where it was cut. With --request_id the same command, run again,
gives the same reply, for the server's request_id_ttl: the question is asked exactly once.
  perennial ask --session=ID --request_id=report-7 "Summarise:" - < report.txt
)";

// A route that the same request id always gives: up to 64 characters of [A-Za-z0-9_-].
std::string RouteOf(absl::string_view request_id) {
  std::string route(request_id.substr(0, 64));
  for (char& c : route) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-') c = '_';
  }
  return route;
}

}  // namespace

int RunAsk(Invocation invocation) {
  std::string session_id;
  std::string request_id;
  absl::Duration patience = BackoffOptions().patience;
  bool keep = false;
  bool json = false;
  TurnFlags turn;
  TurnRules rules;
  SessionFlags session;
  FlagSet flags;
  flags.AddHeading("Flags:");
  flags.Add("session", &session_id, "ID", "go on with this session");
  flags.AddSwitch("keep", &keep, "start a session that lasts, and print its id");
  flags.Add("request_id", &request_id, "NAME", "asks once, however often it is run; a random name of your own");
  flags.Add("patience", &patience, "TIME", "how long a lost connection is tried again; 0: not; default: 2m");
  flags.AddSwitch("json", &json,
                  "print one JSON object: text, session, finish_reason, usage, timing;\n"
                  "for an error: error with code, reason, message");
  flags.AddHeading("The reply (what is not given is the model's default, see perennial model):");
  turn.AddTo(flags);
  rules.AddTo(flags);
  flags.AddHeading("The session, if a new one:");
  session.AddTo(flags);
  int exit_code = kExitOk;
  const auto positional = ParseFlags(flags, invocation, kHelp, exit_code);
  if (!positional.has_value()) return exit_code;

  if (!session_id.empty() && (keep || session.any_given())) {
    return UsageError(invocation, "--session goes on with a session; --keep and the flags that make one do not fit");
  }
  if (positional->empty() && invocation.console.in_is_terminal) {
    return UsageError(invocation, "what is the question? perennial ask \"TEXT\"");
  }
  const std::string message = TextFromArguments(*positional);
  if (message.empty()) return UsageError(invocation, "the question is empty");
  auto request = turn.Request();
  if (request.ok()) {
    if (absl::Status status = rules.ApplyTo(*request); !status.ok()) request = std::move(status);
  }
  auto config = session.Config();
  for (const absl::Status& status :
       {CheckUtf8("the question", message), CheckUtf8("--request_id", request_id), request.status(), config.status()}) {
    if (!status.ok()) return UsageError(invocation, status.message());
  }
  // The same question has to find the same server, and the route is a part of it.
  if (!request_id.empty() && invocation.common.route.empty()) invocation.common.route = RouteOf(request_id);
  // A turn that nobody would look for must not go on alone. Without a request id of one's own a server that is not
  // there is told at once, as by every other command.
  const auto client = NewClient(invocation, {.turns_survive = patience > absl::ZeroDuration() || !request_id.empty(),
                                             .reconnect = {.patience = patience},
                                             .waits_for_server = !request_id.empty()});
  if (client == nullptr) return kExitUsage;

  Interrupt interrupt;
  request->set_message(message);
  request->set_request_id(request_id);
  if (keep) {
    const auto created = client->CreateSession(*std::move(config), request_id);
    if (!created.ok()) return CallError(invocation, created.status(), json);
    request->set_session_id(created->session_id());
    WriteError(absl::StrCat("session: ", created->session_id(), "\n"));
  } else if (session_id.empty()) {
    *request->mutable_config() = *std::move(config);
  } else {
    request->set_session_id(session_id);
  }

  CancelToken cancel;
  ReplyPrinter printer(invocation.console, json ? ReplyShown::kNothing : ReplyShown::kText);
  absl::StatusOr<v1::Finished> finished;
  {
    const OnInterrupt on_interrupt(interrupt, [&cancel] { cancel.Cancel(); });
    finished = client->Chat(
        *std::move(request), [&](const v1::TurnEvent& event) { printer.OnEvent(event, cancel); }, &cancel, &printer);
  }
  printer.End();
  if (!finished.ok()) return CallError(invocation, finished.status(), json);
  if (json) {
    WriteOut(ReplyJson(printer.text(), printer.session_id(), printer.prompt_tokens(), *finished));
  } else if (finished->usage().evicted_tokens() > 0) {
    WriteError(absl::StrCat("perennial: note: ", ForgettingNotice(printer.evicted(), finished->memory()), "\n"));
  }
  if (!cancel.cancelled()) return kExitOk;
  if (OutputLost()) return kExitOutputLost;
  ReportError("interrupted", invocation.console);
  return kExitInterrupted;
}

}  // namespace perennial
