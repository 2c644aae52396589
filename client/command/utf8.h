// Text from and to people: is it UTF-8, and is it safe to show on a terminal?

#ifndef PERENNIAL_CLIENT_COMMAND_UTF8_H_
#define PERENNIAL_CLIENT_COMMAND_UTF8_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace perennial {

// Offset of the first byte that is not part of well-formed UTF-8 (Unicode table 3-7: no overlong forms, no surrogates,
// nothing above U+10FFFF); nothing if there is none. The API takes UTF-8 only.
std::optional<size_t> FindInvalidUtf8(absl::string_view text);

// The text without what a terminal would obey rather than show: control characters U+0000–U+001F except line feed and
// tab, U+007F, and U+0080–U+009F become U+FFFD. What a model writes is not to be trusted with a terminal. `text` is
// UTF-8; pieces of a text may be passed one by one if each is UTF-8 in itself.
std::string TerminalSafe(absl::string_view text);

// Number of characters (code points), as a measure of width. Good enough for names and ids.
size_t CountCharacters(absl::string_view text);

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_UTF8_H_
