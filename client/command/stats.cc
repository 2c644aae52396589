// `perennial stats`: what the server is doing.

#include <poll.h>

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/command/interrupt.h"
#include "client/command/json_text.h"
#include "client/command/session_text.h"
#include "client/command/subcommand.h"

namespace perennial {
namespace {

constexpr absl::string_view kHelp = R"(perennial stats: what the server is doing.

Usage: perennial stats [--json | --watch=TIME]

Sessions and turns are gauges ("now", "waiting", "running") or counters since the server's start; a step is one pass of
the model over a batch of sessions.

Examples:
  perennial stats
  perennial stats --watch=1s               again every second until Ctrl-C
  perennial stats --json | jq .evicted_tokens
)";

}  // namespace

int RunStats(Invocation invocation) {
  bool json = false;
  std::optional<absl::Duration> watch;
  FlagSet flags;
  flags.AddHeading("Flags:");
  flags.AddSwitch("json", &json, "print one JSON object; durations are in seconds");
  flags.Add("watch", &watch, "TIME", "show again after each TIME, e.g. 2s, until Ctrl-C");
  int exit_code = kExitOk;
  const auto positional = ParseFlags(flags, invocation, kHelp, exit_code);
  if (!positional.has_value()) return exit_code;
  if (!positional->empty())
    return UsageError(invocation, absl::StrCat("unexpected argument '", positional->front(), "'"));
  if (json && watch.has_value()) return UsageError(invocation, "--json and --watch do not go together");
  if (watch.has_value() && (*watch < absl::Milliseconds(100) || *watch > absl::Hours(24))) {
    return UsageError(invocation,
                      absl::StrCat("--watch='", absl::FormatDuration(*watch), "' is not between 100ms and 24h"));
  }
  const auto client = NewClient(invocation);
  if (client == nullptr) return kExitUsage;

  if (!watch.has_value()) {
    const auto stats = client->GetStats();
    if (!stats.ok()) return CallError(invocation, stats.status(), json);
    WriteOut(json ? StatsJson(*stats) : StatsText(*stats));
    return kExitOk;
  }
  const bool redraw = invocation.console.out_is_terminal && invocation.console.moves_cursor;
  const Interrupt interrupt;
  while (true) {
    const auto stats = client->GetStats();
    if (!stats.ok()) return CallError(invocation, stats.status());
    // Home and erase what is below: less flicker than clearing first.
    WriteOut(redraw ? absl::StrCat("\033[H\033[J", StatsText(*stats)) : absl::StrCat(StatsText(*stats), "\n"));
    if (OutputLost()) return kExitOutputLost;
    pollfd wait{interrupt.fd(), POLLIN, 0};
    if (poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(*watch))) != 0) return kExitOk;
  }
}

}  // namespace perennial
