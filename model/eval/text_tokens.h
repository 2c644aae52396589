// The first tokens of a text file.

#ifndef PERENNIAL_MODEL_EVAL_TEXT_TOKENS_H_
#define PERENNIAL_MODEL_EVAL_TEXT_TOKENS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/token.h"

namespace perennial {

// Turns plain text into tokens; Tokenizer::EncodeText in the program.
using EncodeFunction = std::function<absl::StatusOr<std::vector<TokenId>>(absl::string_view text)>;

// The first `num_tokens` tokens of the UTF-8 file at `path`, as it is, no BOS added. Only as much of the file is
// tokenized as that takes, with a margin so that the cut does not change the tokens before it.
//
// NOT_FOUND if the file cannot be read; INVALID_ARGUMENT if it has fewer tokens (says how many), or is not UTF-8.
absl::StatusOr<std::vector<TokenId>> FirstTokens(const std::string& path, int64_t num_tokens,
                                                 const EncodeFunction& encode);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_EVAL_TEXT_TOKENS_H_
