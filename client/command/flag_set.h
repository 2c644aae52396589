// The flags of one subcommand: parsing and help from one table. Values are read by absl/flags' own parsers; absl/flags
// itself has one set of flags for a whole program and its own exit codes, which a command with subcommands cannot use.

#ifndef PERENNIAL_CLIENT_COMMAND_FLAG_SET_H_
#define PERENNIAL_CLIENT_COMMAND_FLAG_SET_H_

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/marshalling.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace perennial {

// Written --name=value or "--name value"; switches also --name and --noname. "-" may stand for "_" inside a name. "--"
// ends the flags; what remains are the positional arguments, "-" among them.
class FlagSet {
 public:
  // A flag with a value of any type that absl::ParseFlag reads. `target` is written by Parse and must outlive this
  // object. `value_name` and `help` are for Help: --name=VALUE_NAME  help
  template <typename T>
  void Add(absl::string_view name, T* target, absl::string_view value_name, absl::string_view help) {
    AddFlag(name, value_name, help, [target](absl::string_view text) { return ParseValue(text, target); });
  }

  // The same for a value that can be told from "not given".
  template <typename T>
  void Add(absl::string_view name, std::optional<T>* target, absl::string_view value_name, absl::string_view help) {
    AddFlag(name, value_name, help, [target](absl::string_view text) {
      T value;
      absl::Status status = ParseValue(text, &value);
      if (status.ok()) *target = std::move(value);
      return status;
    });
  }

  // A flag that may be repeated; every use adds one value as it is.
  void Add(absl::string_view name, std::vector<std::string>* target, absl::string_view value_name,
           absl::string_view help);

  // A switch.
  void AddSwitch(absl::string_view name, bool* target, absl::string_view help);

  // A line between groups of flags in Help.
  void AddHeading(absl::string_view heading);

  // Writes the targets and returns the positional arguments. With `stop_at_positional` the first of them ends the
  // flags: it and everything after it is returned untouched. INVALID_ARGUMENT names the flag and the value.
  absl::StatusOr<std::vector<std::string>> Parse(absl::Span<const std::string> arguments,
                                                 bool stop_at_positional = false);

  // --help or -h was among the arguments.
  bool help_requested() const { return help_requested_; }

  // One line per flag, aligned, in the order of Add.
  std::string Help() const;

 private:
  struct Flag {
    std::string name;        // empty: a heading
    std::string value_name;  // empty: a switch
    std::string help;
    std::function<absl::Status(absl::string_view)> set;
  };

  template <typename T>
  static absl::Status ParseValue(absl::string_view text, T* target) {
    std::string error;
    if (absl::ParseFlag(text, target, &error)) return absl::OkStatus();
    return absl::InvalidArgumentError(error);
  }

  void AddFlag(absl::string_view name, absl::string_view value_name, absl::string_view help,
               std::function<absl::Status(absl::string_view)> set);
  const Flag* Find(absl::string_view name) const;

  std::vector<Flag> flags_;
  bool help_requested_ = false;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_FLAG_SET_H_
