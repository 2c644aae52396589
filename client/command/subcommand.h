// What all subcommands of `perennial` share: their common flags, how they fail, and the list of them.

#ifndef PERENNIAL_CLIENT_COMMAND_SUBCOMMAND_H_
#define PERENNIAL_CLIENT_COMMAND_SUBCOMMAND_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "client/chat_client.h"
#include "client/command/console.h"
#include "client/command/exit_code.h"
#include "client/command/flag_set.h"

namespace perennial {

// Flags of the command itself; they may stand before or after the subcommand's name.
struct CommonFlags {
  std::string server = "127.0.0.1:50051";  // or what PERENNIAL_SERVER says
  std::string route;                       // empty: random

  void AddTo(FlagSet& flags);
};

// What a subcommand is given.
struct Invocation {
  std::vector<std::string> arguments;  // after the subcommand's name
  CommonFlags common;
  Console console;
};

// Each returns the process's exit code (exit_code.h).
int RunAsk(Invocation invocation);
int RunChat(Invocation invocation);
int RunSessions(Invocation invocation);
int RunStats(Invocation invocation);
int RunModel(Invocation invocation);
int RunCount(Invocation invocation);

struct Subcommand {
  absl::string_view name;
  absl::string_view summary;  // for `perennial --help`
  int (*run)(Invocation);
};
absl::Span<const Subcommand> Subcommands();

// The whole command: `arguments` without the program's name. `server` is the value of PERENNIAL_SERVER or empty.
int RunCommand(const std::vector<std::string>& arguments, absl::string_view server, const Console& console);

// ---- For subcommands ----

// Parses invocation.arguments, the common flags included. Returns the positional arguments; or, after printing help
// (the text, then the flags) or an error, nothing and the exit code in `exit_code`.
std::optional<std::vector<std::string>> ParseFlags(FlagSet& flags, Invocation& invocation, absl::string_view help,
                                                   int& exit_code);

// A client for the common flags, otherwise with `options`; or nothing after reporting what is malformed (then return
// kExitUsage).
std::unique_ptr<ChatClient> NewClient(const Invocation& invocation, ChatClientOptions options = {});

// Reports a usage error and returns kExitUsage.
int UsageError(const Invocation& invocation, absl::string_view message);

// Reports a call's error on standard error, with `json` also as an object on standard output, and returns the exit
// code.
int CallError(const Invocation& invocation, const absl::Status& status, bool json = false);

// The exit code for a call's error.
int ExitCodeOf(const absl::Status& status);

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_SUBCOMMAND_H_
