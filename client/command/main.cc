// The `perennial` command.

#include <cstdlib>
#include <string>
#include <vector>

#include "client/command/console.h"
#include "client/command/subcommand.h"

int main(int argc, char** argv) {
  // gRPC reports on its own on standard error, which is for us to speak on; GRPC_VERBOSITY still overrides.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  const char* server = std::getenv("PERENNIAL_SERVER");
  return perennial::RunCommand(std::vector<std::string>(argv + 1, argv + argc), server == nullptr ? "" : server,
                               perennial::Console::FromProcess());
}
