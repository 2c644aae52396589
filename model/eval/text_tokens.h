// The tokens of text files, of any size.
//
// A long text is tokenized in pieces, so that neither the time nor the memory of one call grows with it. Pieces are cut
// after a line break between two characters that are no white space. There the tokenizers known to us cut as well: the
// patterns of GPT-2, Llama 3, SmolLM and their like never join a lone line break with the word after it. So the tokens
// are those of the whole text; the exception are tokenizers that put a space before every text (SentencePiece), which
// see one more at every cut, that is at most one token in 64 KiB. A text without such line breaks (one line of 64 KiB)
// is cut between characters, and may then have other tokens beside the cut.

#ifndef PERENNIAL_MODEL_EVAL_TEXT_TOKENS_H_
#define PERENNIAL_MODEL_EVAL_TEXT_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/token.h"

namespace perennial {

// Turns plain text into tokens; Tokenizer::EncodeText in the program.
using EncodeFunction = std::function<absl::StatusOr<std::vector<TokenId>>(absl::string_view text)>;

// Length in bytes of the first piece of `text`, of about `bytes` bytes, not longer unless it must be for one character
// of UTF-8: up to the last good cut in it, or all of it if there is none. `text` itself if it is not longer than that.
size_t PieceBytes(absl::string_view text, size_t bytes);

// A file's content. NOT_FOUND if it cannot be read.
absl::StatusOr<std::string> ReadTextFile(const std::string& path);

// The files that `paths` name: files as they are, and of a directory all whose names end in .txt, by name. NOT_FOUND if
// there is none.
absl::StatusOr<std::vector<std::string>> TextFiles(absl::Span<const std::string> paths);

// The first `num_tokens` tokens (0: all) of the UTF-8 files at `paths`, one after the other, as they are: no BOS,
// nothing between two files. Only as much is tokenized as that takes.
//
// NOT_FOUND if a file cannot be read; INVALID_ARGUMENT if there are fewer tokens (says how many), or one is not UTF-8.
absl::StatusOr<std::vector<TokenId>> FirstTokens(absl::Span<const std::string> paths, int64_t num_tokens,
                                                 const EncodeFunction& encode);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_EVAL_TEXT_TOKENS_H_
