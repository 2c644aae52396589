#include "model/eval/text_tokens.h"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace perennial {
namespace {

constexpr size_t kBytesPerToken = 8;  // a first guess, usually ample
constexpr size_t kMarginTokens = 64;  // tokens at the cut that are not trusted

// The longest prefix of at most `bytes` bytes that does not end inside a UTF-8 character.
absl::string_view Prefix(absl::string_view text, size_t bytes) {
  if (bytes >= text.size()) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

}  // namespace

absl::StatusOr<std::vector<TokenId>> FirstTokens(const std::string& path, int64_t num_tokens,
                                                 const EncodeFunction& encode) {
  if (num_tokens < 1) {
    return absl::InvalidArgumentError(absl::StrCat("tokens is ", num_tokens, "; it must be at least 1"));
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad()) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));

  const size_t wanted = static_cast<size_t>(num_tokens);
  for (size_t bytes = (wanted + kMarginTokens) * kBytesPerToken;; bytes *= 2) {
    const absl::string_view prefix = Prefix(text, bytes);
    absl::StatusOr<std::vector<TokenId>> tokens = encode(prefix);
    if (!tokens.ok()) return absl::Status(tokens.status().code(), absl::StrCat(path, ": ", tokens.status().message()));
    const bool whole = prefix.size() == text.size();
    if (tokens->size() >= wanted + (whole ? 0 : kMarginTokens)) {
      tokens->resize(wanted);
      return tokens;
    }
    if (whole) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": has ", tokens->size(), " tokens, but ", num_tokens, " were asked for (--tokens)"));
    }
  }
}

}  // namespace perennial
