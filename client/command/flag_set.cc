#include "client/command/flag_set.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace perennial {
namespace {

constexpr size_t kMaxHelpColumn = 34;  // where the help of a flag begins, at most

// "--name" or "--name=VALUE".
std::string Usage(absl::string_view name, absl::string_view value_name) {
  return value_name.empty() ? absl::StrCat("--", name) : absl::StrCat("--", name, "=", value_name);
}

}  // namespace

void FlagSet::AddFlag(absl::string_view name, absl::string_view value_name, absl::string_view help,
                      std::function<absl::Status(absl::string_view)> set) {
  flags_.push_back({std::string(name), std::string(value_name), std::string(help), std::move(set)});
}

void FlagSet::Add(absl::string_view name, std::vector<std::string>* target, absl::string_view value_name,
                  absl::string_view help) {
  AddFlag(name, value_name, help, [target](absl::string_view text) {
    target->emplace_back(text);
    return absl::OkStatus();
  });
}

void FlagSet::AddSwitch(absl::string_view name, bool* target, absl::string_view help) {
  AddFlag(name, "", help, [target](absl::string_view text) { return ParseValue(text, target); });
}

void FlagSet::AddHeading(absl::string_view heading) { AddFlag("", "", heading, nullptr); }

const FlagSet::Flag* FlagSet::Find(absl::string_view name) const {
  for (const Flag& flag : flags_) {
    if (!flag.name.empty() && flag.name == name) return &flag;
  }
  return nullptr;
}

absl::StatusOr<std::vector<std::string>> FlagSet::Parse(absl::Span<const std::string> arguments,
                                                        bool stop_at_positional) {
  std::vector<std::string> positional;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view argument = arguments[i];
    if (argument == "--" || (stop_at_positional && (argument == "-" || !absl::StartsWith(argument, "-")))) {
      const size_t rest = argument == "--" && !stop_at_positional ? i + 1 : i;
      positional.insert(positional.end(), arguments.begin() + rest, arguments.end());
      return positional;
    }
    if (argument == "-" || !absl::StartsWith(argument, "-")) {
      positional.emplace_back(argument);
      continue;
    }
    if (argument == "--help" || argument == "-h") {
      help_requested_ = true;
      continue;
    }

    const size_t equals = argument.find('=');
    const absl::string_view written = argument.substr(0, equals);
    std::string name = absl::StrReplaceAll(absl::StripPrefix(written, "--"), {{"-", "_"}});
    const Flag* flag = absl::StartsWith(written, "--") ? Find(name) : nullptr;
    std::string value = equals == absl::string_view::npos ? "" : std::string(argument.substr(equals + 1));
    if (flag == nullptr && equals == absl::string_view::npos && absl::ConsumePrefix(&argument, "--no")) {
      flag = Find(absl::StripPrefix(name, "no"));
      if (flag != nullptr && !flag->value_name.empty()) flag = nullptr;
      value = "false";
    } else if (flag != nullptr && equals == absl::string_view::npos) {
      if (flag->value_name.empty()) {
        value = "true";
      } else if (i + 1 < arguments.size()) {
        value = arguments[++i];
      } else {
        return absl::InvalidArgumentError(absl::StrCat(written, " needs a value: ", Usage(name, flag->value_name)));
      }
    }
    if (flag == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown flag ", written, " (text that begins with a dash goes after --)"));
    }
    if (const absl::Status status = flag->set(value); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--", flag->name, "='", value, "' is malformed",
                                                     status.message().empty() ? "" : ": ", status.message()));
    }
  }
  return positional;
}

std::string FlagSet::Help() const {
  size_t column = 0;
  for (const Flag& flag : flags_) {
    if (flag.name.empty()) continue;
    const size_t width = Usage(flag.name, flag.value_name).size() + 4;
    if (width <= kMaxHelpColumn) column = std::max(column, width);
  }
  std::string text;
  for (const Flag& flag : flags_) {
    if (flag.name.empty()) {
      absl::StrAppend(&text, text.empty() ? "" : "\n", flag.help, "\n");
      continue;
    }
    std::string line = absl::StrCat("  ", Usage(flag.name, flag.value_name));
    if (line.size() + 2 > column) {
      absl::StrAppend(&text, line, "\n");
      line.clear();
    }
    line.resize(column, ' ');
    // Help of several lines keeps its column.
    absl::StrAppend(&text, line, absl::StrReplaceAll(flag.help, {{"\n", absl::StrCat("\n", std::string(column, ' '))}}),
                    "\n");
  }
  return text;
}

}  // namespace perennial
