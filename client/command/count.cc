// `perennial count`: how many tokens a text is.

#include "absl/strings/str_cat.h"
#include "client/command/input.h"
#include "client/command/json_text.h"
#include "client/command/subcommand.h"
#include "client/command/turn_flags.h"

namespace perennial {
namespace {

constexpr absl::string_view kHelp = R"(perennial count: count the tokens of a text, as the server's model reads it.

Usage: perennial count [FLAGS] TEXT…      words are joined; "-" stands for standard input
       COMMAND | perennial count [FLAGS]

By default the text is counted as it stands. With --message it is counted as a user's message, with what the chat
template puts around it; with --system after that system prompt.

Examples:
  perennial count "Hello, world!"
  perennial count < report.txt
  perennial count --system="You are a pirate." "Hello, world!"
)";

}  // namespace

int RunCount(Invocation invocation) {
  bool json = false;
  bool message = false;
  std::string system;
  FlagSet flags;
  flags.AddHeading("Flags:");
  flags.AddSwitch("json", &json, "print one JSON object: tokens");
  flags.AddSwitch("message", &message, "count as a user's message, with the chat template");
  flags.Add("system", &system, "TEXT", "count a system prompt too; implies --message");
  int exit_code = kExitOk;
  const auto positional = ParseFlags(flags, invocation, kHelp, exit_code);
  if (!positional.has_value()) return exit_code;
  if (positional->empty() && invocation.console.in_is_terminal) {
    return UsageError(invocation, "which text? perennial count \"TEXT\"");
  }
  const std::string text = TextFromArguments(*positional);
  for (const absl::Status& status : {CheckUtf8("the text", text), CheckUtf8("--system", system)}) {
    if (!status.ok()) return UsageError(invocation, status.message());
  }
  const auto client = NewClient(invocation);
  if (client == nullptr) return kExitUsage;

  v1::CountTokensRequest request;
  if (message || !system.empty()) {
    if (!system.empty()) {
      v1::Message* first = request.add_messages();
      first->set_role(v1::ROLE_SYSTEM);
      first->set_text(system);
    }
    v1::Message* user = request.add_messages();
    user->set_role(v1::ROLE_USER);
    user->set_text(text);
  } else {
    request.set_text(text);
  }
  const auto tokens = client->CountTokens(request);
  if (!tokens.ok()) return CallError(invocation, tokens.status(), json);
  WriteOut(json ? CountJson(*tokens) : absl::StrCat(*tokens, "\n"));
  return kExitOk;
}

}  // namespace perennial
