#include "client/command/input.h"

#include <cstdio>

#include "absl/strings/str_cat.h"

namespace perennial {
namespace {

std::string ReadStandardInput() {
  std::string text;
  char buffer[1 << 14];
  while (const size_t bytes = std::fread(buffer, 1, sizeof(buffer), stdin)) text.append(buffer, bytes);
  text.erase(text.find_last_not_of("\r\n") + 1);
  return text;
}

}  // namespace

std::string TextFromArguments(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return ReadStandardInput();
  std::string text;
  bool after_input = false;
  for (const std::string& argument : arguments) {
    const bool is_input = argument == "-";
    if (!text.empty()) text += is_input || after_input ? '\n' : ' ';
    absl::StrAppend(&text, is_input ? ReadStandardInput() : argument);
    after_input = is_input;
  }
  return text;
}

}  // namespace perennial
