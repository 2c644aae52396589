// What the `perennial` command returns to the shell. `perennial --help` lists these, but for the last, which is as with
// every other program; scripts rely on them.

#ifndef PERENNIAL_CLIENT_COMMAND_EXIT_CODE_H_
#define PERENNIAL_CLIENT_COMMAND_EXIT_CODE_H_

namespace perennial {

enum ExitCode : int {
  kExitOk = 0,
  kExitServerError = 1,     // the server refused the call or failed
  kExitUsage = 2,           // unknown flag or subcommand, malformed value, input that is not UTF-8
  kExitUnreachable = 3,     // no server, not a Perennial server, connection lost, server shuts down
  kExitSessionUnknown = 4,  // the session does not exist, or no longer
  kExitInterrupted = 130,   // Ctrl-C: 128 + SIGINT, as shells count
  kExitOutputLost = 141,    // nobody reads on (128 + SIGPIPE, what most programs end by), or the disk is full
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_EXIT_CODE_H_
