// Files of published tokenizers, as `./dev setup tokenizers` lays them down in .deps/tokenizers: for the tests that
// compare with the software that the files were made for.

#ifndef PERENNIAL_TESTS_MODEL_TEXT_REAL_TOKENIZERS_H_
#define PERENNIAL_TESTS_MODEL_TEXT_REAL_TOKENIZERS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/text/tokenizer.h"
#include "tests/model/text/text_fixture.h"

namespace perennial {

// The strings of tests/golden/text/diverse_strings.py. Empty, with a test failure, if they are not there.
const std::vector<std::string>& RealStrings();

// A file of .deps/tokenizers; a test failure that says what to do if it is not there.
std::string RealFile(const std::string& name);

// From "NAME/tokenizer.json" or "NAME.gguf" ("smollm2.gguf": the default model), as a server reads them.
absl::StatusOr<std::unique_ptr<Tokenizer>> OpenRealTokenizer(const std::string& name,
                                                             const std::string& chat_template = "");

// The same. Null, with a test failure, if that fails.
std::unique_ptr<Tokenizer> RealTokenizer(const std::string& name, const std::string& chat_template = "");

// Literals of control tokens among those that `name`'s file marks so; up to some hundreds.
std::vector<std::string> ControlLiterals(const Tokenizer& tokenizer, const std::string& name);

// FNV-1a, 64 bits: the digests of the golden files. `value`: of the bytes before.
uint64_t Fnv1a(absl::string_view bytes, uint64_t value = 0xCBF29CE484222325);

// `name` in letters that GoogleTest accepts.
std::string TestName(const std::string& name);

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_TEXT_REAL_TOKENIZERS_H_
