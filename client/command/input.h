// Text from arguments and standard input.

#ifndef PERENNIAL_CLIENT_COMMAND_INPUT_H_
#define PERENNIAL_CLIENT_COMMAND_INPUT_H_

#include <string>
#include <vector>

namespace perennial {

// The arguments joined by spaces, with "-" replaced by all of standard input (on lines of its own); without arguments
// standard input alone. Newlines at the end of standard input are dropped.
std::string TextFromArguments(const std::vector<std::string>& arguments);

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_INPUT_H_
