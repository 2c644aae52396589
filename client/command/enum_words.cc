#include "client/command/enum_words.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace perennial {
namespace {

constexpr absl::string_view kUnspecified = "UNSPECIFIED";

}  // namespace

std::string EnumWord(const google::protobuf::EnumValueDescriptor& value) {
  // The first value is PREFIX_UNSPECIFIED.
  const size_t prefix = value.type()->value(0)->name().size() - kUnspecified.size();
  return absl::AsciiStrToLower(value.name().substr(prefix));
}

absl::Status ParseEnumWord(absl::string_view flag, absl::string_view word,
                           const google::protobuf::EnumDescriptor& values, int& number) {
  std::vector<std::string> words;
  for (int i = 1; i < values.value_count(); ++i) {
    words.push_back(EnumWord(*values.value(i)));
    if (words.back() != absl::AsciiStrToLower(word)) continue;
    number = values.value(i)->number();
    return absl::OkStatus();
  }
  const std::string last = words.back();
  words.pop_back();
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, "='", word, "' is not ", absl::StrJoin(words, ", "), " or ", last));
}

}  // namespace perennial
