// The API's enumerations as people type and read them: EVICTION_POLICY_TURN_WISE is "turn_wise".

#ifndef PERENNIAL_CLIENT_COMMAND_ENUM_WORDS_H_
#define PERENNIAL_CLIENT_COMMAND_ENUM_WORDS_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/generated_enum_reflection.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace perennial {

// A value's name without the prefix that all values of its enumeration have, in small letters.
std::string EnumWord(const google::protobuf::EnumValueDescriptor& value);

// The number of the value that `word` means, in any case. INVALID_ARGUMENT names the flag and all words; the first
// value, which says "unspecified", is none.
absl::Status ParseEnumWord(absl::string_view flag, absl::string_view word,
                           const google::protobuf::EnumDescriptor& values, int& number);

// The same for a flag that was perhaps not given: an empty word leaves `value` as it is.
template <typename Enum>
absl::Status ParseEnumFlag(absl::string_view flag, absl::string_view word, Enum& value) {
  if (word.empty()) return absl::OkStatus();
  int number = 0;
  absl::Status status = ParseEnumWord(flag, word, *google::protobuf::GetEnumDescriptor<Enum>(), number);
  if (status.ok()) value = static_cast<Enum>(number);
  return status;
}

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_ENUM_WORDS_H_
