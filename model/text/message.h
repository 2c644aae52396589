// A message as people write it: who says what.

#ifndef PERENNIAL_MODEL_TEXT_MESSAGE_H_
#define PERENNIAL_MODEL_TEXT_MESSAGE_H_

#include <string>

namespace perennial {

enum class Role { kSystem, kUser, kAssistant };

struct Message {
  Role role = Role::kUser;
  std::string text;  // UTF-8
  bool operator==(const Message&) const = default;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TEXT_MESSAGE_H_
