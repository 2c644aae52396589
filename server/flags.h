// The command line of perenniald. Only flags.cc names absl flags; everything else takes a ServerOptions.

#ifndef PERENNIAL_SERVER_FLAGS_H_
#define PERENNIAL_SERVER_FLAGS_H_

#include <string>

#include "absl/status/statusor.h"
#include "server/host_limits.h"
#include "server/options.h"

namespace perennial {

// Exit codes of perenniald.
inline constexpr int kExitOk = 0;           // drained, or --help
inline constexpr int kExitStartFailed = 1;  // model, memory or address: one line says which
inline constexpr int kExitBadFlags = 2;     // a flag is unknown, malformed or out of range: one line says which
inline constexpr int kExitInterrupted = 3;  // a second SIGTERM or SIGINT ended the drain

// Reads the command line and --flagfile files. Unset --threads and --cache_memory come from `host`. INVALID_ARGUMENT
// with one line for arguments that are no flags. Does not return for --help and --version (prints to standard output,
// exit code 0) nor for unknown or malformed flags (prints one line to standard error, exit code 2). Call it once, from
// main.
absl::StatusOr<ServerOptions> ParseFlags(int argc, char* argv[], const HostLimits& host);

// ServerOptions from the flags as they are now, not validated. For ParseFlags and tests.
ServerOptions OptionsFromFlags(const HostLimits& host);

// What --help prints: every flag, in groups, with its default; examples; exit codes.
std::string HelpText(const HostLimits& host);

// "0.1.0": what --version prints and GetModel answers.
std::string ServerVersion();

}  // namespace perennial

#endif  // PERENNIAL_SERVER_FLAGS_H_
