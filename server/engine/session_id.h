// Names of sessions: nobody can guess one.

#ifndef PERENNIAL_SERVER_ENGINE_SESSION_ID_H_
#define PERENNIAL_SERVER_ENGINE_SESSION_ID_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"

namespace perennial {

// 32 lower-case hexadecimal digits from two calls of `random_bits`, the source of randomness.
std::string NewSessionId(const std::function<uint64_t()>& random_bits);

// True for 32 lower-case hexadecimal digits.
bool IsSessionId(absl::string_view text);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_SESSION_ID_H_
