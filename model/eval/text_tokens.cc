#include "model/eval/text_tokens.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace perennial {
namespace {

constexpr size_t kPieceBytes = 64 << 10;
constexpr size_t kBytesPerToken = 8;  // ample: a last piece need not be much longer than what is wanted of it
constexpr size_t kMarginTokens = 64;

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool ContinuesCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// True if the piece may end before text[at]. A character of more than one byte may be a white space: it is no good cut.
bool IsGoodCut(absl::string_view text, size_t at) {
  const auto plain = [](char c) { return static_cast<unsigned char>(c) < 0x80 && !IsSpace(c); };
  return at >= 2 && text[at - 1] == '\n' && plain(text[at - 2]) && plain(text[at]);
}

// Appends the tokens of `text`, until there are `wanted` in all.
absl::Status AppendTokens(absl::string_view text, size_t wanted, const EncodeFunction& encode,
                          std::vector<TokenId>& tokens) {
  while (!text.empty() && tokens.size() < wanted) {
    const size_t missing = std::min(wanted - tokens.size(), kPieceBytes);
    const size_t bytes = PieceBytes(text, std::min(kPieceBytes, (missing + kMarginTokens) * kBytesPerToken));
    auto piece = encode(text.substr(0, bytes));
    if (!piece.ok()) return piece.status();
    tokens.insert(tokens.end(), piece->begin(), piece->end());
    text.remove_prefix(bytes);
  }
  return absl::OkStatus();
}

}  // namespace

size_t PieceBytes(absl::string_view text, size_t bytes) {
  if (bytes >= text.size()) return text.size();
  for (size_t at = bytes; at >= 2; --at) {
    if (IsGoodCut(text, at)) return at;
  }
  size_t end = bytes;
  while (end > 0 && ContinuesCharacter(text[end])) --end;
  if (end > 0) return end;
  end = std::max<size_t>(bytes, 1);
  while (end < text.size() && ContinuesCharacter(text[end])) ++end;
  return end;
}

absl::StatusOr<std::string> ReadTextFile(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return absl::NotFoundError(absl::StrCat(path, ": is a directory"));
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad()) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  return text;
}

absl::StatusOr<std::vector<std::string>> TextFiles(absl::Span<const std::string> paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
      if (entry->path().extension() == ".txt") names.push_back(entry->path().string());
    }
    std::sort(names.begin(), names.end());
    files.insert(files.end(), names.begin(), names.end());
  }
  if (files.empty()) return absl::NotFoundError(absl::StrCat(absl::StrJoin(paths, ", "), ": no .txt file there"));
  return files;
}

absl::StatusOr<std::vector<TokenId>> FirstTokens(absl::Span<const std::string> paths, int64_t num_tokens,
                                                 const EncodeFunction& encode) {
  if (num_tokens < 0) {
    return absl::InvalidArgumentError(absl::StrCat("tokens is ", num_tokens, "; it must be at least 0 (0: all)"));
  }
  auto files = TextFiles(paths);
  if (!files.ok()) return files.status();
  const size_t wanted = num_tokens > 0 ? static_cast<size_t>(num_tokens) : static_cast<size_t>(-1);
  std::vector<TokenId> tokens;
  for (const std::string& file : *files) {
    if (tokens.size() >= wanted) break;
    auto text = ReadTextFile(file);
    if (!text.ok()) return text.status();
    absl::Status status = AppendTokens(*text, wanted, encode, tokens);
    if (!status.ok()) return absl::Status(status.code(), absl::StrCat(file, ": ", status.message()));
  }
  if (num_tokens > 0 && tokens.size() < wanted) {
    return absl::InvalidArgumentError(absl::StrCat(absl::StrJoin(paths, ", "), ": has ", tokens.size(), " tokens, but ",
                                                   num_tokens, " were asked for (--tokens)"));
  }
  tokens.resize(std::min(tokens.size(), wanted));
  return tokens;
}

}  // namespace perennial
