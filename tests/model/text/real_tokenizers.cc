#include "tests/model/text/real_tokenizers.h"

#include <cctype>
#include <cstring>
#include <sstream>

#include "absl/strings/match.h"
#include "model/checkpoint/gguf_config.h"
#include "model/checkpoint/gguf_metadata.h"
#include "model/checkpoint/gguf_reader.h"
#include "model/checkpoint/mapped_file.h"

namespace perennial {
namespace {

constexpr int32_t kUnknown = 2;  // GGUF's token types
constexpr int32_t kControl = 3;
constexpr size_t kMaxLiterals = 300;

std::string PathOf(const std::string& name) {
  if (name == "smollm2.gguf") return PERENNIAL_SOURCE_DIR "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf";
  return PERENNIAL_SOURCE_DIR "/.deps/tokenizers/" + name;
}

absl::StatusOr<GgufVocabulary> ReadVocabulary(const std::string& name) {
  auto file = MappedFile::Open(PathOf(name));
  if (!file.ok()) return file.status();
  auto gguf = ReadGguf(file->bytes());
  if (!gguf.ok()) return gguf.status();
  return ReadGgufVocabulary(GgufMetadata(*gguf));
}

}  // namespace

std::string RealFile(const std::string& name) {
  std::ifstream file(PathOf(name), std::ios::binary);
  EXPECT_TRUE(file.good()) << PathOf(name) << " is missing: run ./dev setup tokenizers";
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

const std::vector<std::string>& RealStrings() {
  static const auto& strings = *new std::vector<std::string>([] {
    std::vector<std::string> read;
    const std::string packed = RealFile("strings.bin");
    for (size_t at = 0; at + sizeof(uint32_t) <= packed.size();) {
      uint32_t size = 0;
      std::memcpy(&size, packed.data() + at, sizeof size);
      at += sizeof size;
      read.push_back(packed.substr(at, size));
      at += size;
    }
    return read;
  }());
  return strings;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> OpenRealTokenizer(const std::string& name,
                                                             const std::string& chat_template) {
  if (!absl::EndsWith(name, ".gguf")) return Tokenizer::Create(TokenizerJson{.json = RealFile(name)}, chat_template);
  absl::StatusOr<GgufVocabulary> vocabulary = ReadVocabulary(name);
  if (!vocabulary.ok()) return vocabulary.status();
  return Tokenizer::Create(*std::move(vocabulary), chat_template);
}

std::unique_ptr<Tokenizer> RealTokenizer(const std::string& name, const std::string& chat_template) {
  auto tokenizer = OpenRealTokenizer(name, chat_template);
  EXPECT_TRUE(tokenizer.ok()) << name << ": " << tokenizer.status() << "; run ./dev setup tokenizers";
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

std::vector<std::string> ControlLiterals(const Tokenizer& tokenizer, const std::string& name) {
  std::vector<std::string> literals;
  const auto add = [&](const std::string& literal, TokenId id) {
    // The one for unknown characters is a control token to templates only.
    if (literals.size() < kMaxLiterals && tokenizer.IsControl(id)) literals.push_back(literal);
  };
  if (absl::EndsWith(name, ".gguf")) {
    const absl::StatusOr<GgufVocabulary> vocabulary = ReadVocabulary(name);
    EXPECT_TRUE(vocabulary.ok()) << vocabulary.status();
    for (size_t i = 0; vocabulary.ok() && i < vocabulary->tokens.size(); ++i) {
      if (vocabulary->types[i] != kControl && vocabulary->types[i] != kUnknown) continue;
      add(vocabulary->tokens[i], static_cast<TokenId>(i));
    }
    return literals;
  }
  const nlohmann::json json = nlohmann::json::parse(RealFile(name));
  for (const auto& token : json["added_tokens"]) {
    if (token["special"].get<bool>()) add(token["content"], token["id"]);
  }
  return literals;
}

uint64_t Fnv1a(absl::string_view bytes, uint64_t value) {
  for (const char byte : bytes) value = (value ^ static_cast<uint8_t>(byte)) * 0x100000001B3;
  return value;
}

std::string TestName(const std::string& name) {
  std::string letters;
  for (const char c : name) letters += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return letters;
}

}  // namespace perennial
