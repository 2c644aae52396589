// `perennial model`: what the server serves.

#include "absl/strings/str_cat.h"
#include "client/command/json_text.h"
#include "client/command/session_text.h"
#include "client/command/subcommand.h"

namespace perennial {
namespace {

constexpr absl::string_view kHelp = R"(perennial model: what the server serves: model, defaults, limits, versions.

Usage: perennial model [--json]

Defaults are what requests get that do not say otherwise. Limits are flags of perenniald of the same name; a request
beyond one is refused with the limit in the message.

Examples:
  perennial model
  perennial model --json | jq .limits.max_sessions
)";

}  // namespace

int RunModel(Invocation invocation) {
  bool json = false;
  FlagSet flags;
  flags.AddHeading("Flags:");
  flags.AddSwitch("json", &json, "print one JSON object; durations are in seconds");
  int exit_code = kExitOk;
  const auto positional = ParseFlags(flags, invocation, kHelp, exit_code);
  if (!positional.has_value()) return exit_code;
  if (!positional->empty())
    return UsageError(invocation, absl::StrCat("unexpected argument '", positional->front(), "'"));
  const auto client = NewClient(invocation);
  if (client == nullptr) return kExitUsage;
  const auto model = client->GetModel();
  if (!model.ok()) return CallError(invocation, model.status(), json);
  WriteOut(json ? ModelJson(*model) : ModelText(*model));
  return kExitOk;
}

}  // namespace perennial
