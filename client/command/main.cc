// The `perennial` command.

#include <signal.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "client/command/console.h"
#include "client/command/subcommand.h"

int main(int argc, char** argv) {
  // gRPC reports on its own on standard error, which is for us to speak on; GRPC_VERBOSITY still overrides.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  signal(SIGPIPE, SIG_IGN);  // WriteOut notices that nobody reads on
  const char* server = std::getenv("PERENNIAL_SERVER");
  const int exit_code = perennial::RunCommand(std::vector<std::string>(argv + 1, argv + argc),
                                              server == nullptr ? "" : server, perennial::Console::FromProcess());
  return perennial::OutputLost() ? perennial::kExitOutputLost : exit_code;
}
