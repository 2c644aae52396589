// Replies that are JSON and satisfy a JSON Schema. The grammar is the llguidance crate's, in the Rust static library of
// model/text/rust.

#ifndef PERENNIAL_MODEL_TEXT_JSON_CONSTRAINT_H_
#define PERENNIAL_MODEL_TEXT_JSON_CONSTRAINT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/text/tokenizer.h"
#include "model/token_constraint.h"

namespace perennial {

// The constraint of one reply, at its beginning. White space between JSON's parts is allowed, after its end it is not.
// INVALID_ARGUMENT, in one line that names no field: the schema is not a JSON object, cannot be satisfied, says
// something that is not understood (nothing is ignored), refers to other documents, or is too complex.
//
// Any thread. Takes milliseconds; the first call for a tokenizer about as long as Tokenizer::Create did. Accept takes
// up to some milliseconds for complex schemas, mostly less than 0.1. The constraint may outlive the tokenizer.
absl::StatusOr<std::unique_ptr<TokenConstraint>> MakeJsonConstraint(const Tokenizer& tokenizer,
                                                                    absl::string_view json_schema);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TEXT_JSON_CONSTRAINT_H_
