// How checkpoint errors are worded: always one line, whatever bytes a hostile file put into its names.

#ifndef PERENNIAL_MODEL_CHECKPOINT_ERROR_TEXT_H_
#define PERENNIAL_MODEL_CHECKPOINT_ERROR_TEXT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace perennial {

// `text` in double quotes, control characters and non-ASCII bytes escaped, cut after 80 bytes: a name from a file
// inside an error message.
std::string Quoted(absl::string_view text);

// A shape for people: "[576, 1536]".
std::string ShapeText(absl::Span<const int64_t> shape);

// The same error with "where: " before its text. OK stays OK.
absl::Status Within(absl::string_view where, const absl::Status& status);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_ERROR_TEXT_H_
