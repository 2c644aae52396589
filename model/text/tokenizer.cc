#include "model/text/tokenizer.h"

#include <utility>
#include <variant>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "model/text/rust_text.h"

namespace perennial {
namespace {

using text_internal::OwnedBytes;
using text_internal::OwnedTokens;
using text_internal::SliceOf;

std::vector<PerennialSlice> SlicesOf(const std::vector<std::string>& texts) {
  std::vector<PerennialSlice> slices;
  slices.reserve(texts.size());
  for (const std::string& text : texts) slices.push_back(SliceOf(text));
  return slices;
}

PerennialTokenizer* FromSource(const TokenizerJson& source, PerennialSlice chat_template, PerennialBytes* error) {
  return perennial_tokenizer_from_json(SliceOf(source.json), chat_template, error);
}

PerennialTokenizer* FromSource(const GgufVocabulary& source, PerennialSlice chat_template, PerennialBytes* error) {
  const std::vector<PerennialSlice> tokens = SlicesOf(source.tokens);
  const std::vector<PerennialSlice> merges = SlicesOf(source.merges);
  const PerennialGgufVocabulary vocabulary = {
      .model = SliceOf(source.model),
      .pre = SliceOf(source.pre),
      .tokens = tokens.data(),
      .num_tokens = tokens.size(),
      .types = source.types.data(),
      .num_types = source.types.size(),
      .scores = source.scores.data(),
      .num_scores = source.scores.size(),
      .merges = merges.data(),
      .num_merges = merges.size(),
      .add_space_prefix = source.add_space_prefix,
      .controls_take_space_after = source.controls_take_space_after,
  };
  return perennial_tokenizer_from_gguf(&vocabulary, chat_template, error);
}

absl::StatusOr<std::vector<TokenId>> Encode(const PerennialTokenizer* tokenizer, absl::string_view text,
                                            bool rendered) {
  OwnedTokens tokens;
  OwnedBytes error;
  if (!perennial_tokenizer_encode(tokenizer, SliceOf(text), rendered, tokens.out(), error.out())) {
    return absl::InvalidArgumentError(absl::StrCat("cannot tokenize: ", error.Text()));
  }
  return tokens.Tokens();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Create(const TokenizerSource& source,
                                                             absl::string_view chat_template) {
  OwnedBytes error;
  auto rust = std::make_unique<text_internal::RustText>();
  rust->tokenizer.reset(
      std::visit([&](const auto& form) { return FromSource(form, SliceOf(chat_template), error.out()); }, source));
  if (rust->tokenizer == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("cannot load the tokenizer: ", error.Text()));
  }
  const size_t size = perennial_tokenizer_size(rust->tokenizer.get());
  constexpr size_t kMaxTokens = size_t{1} << 24;
  if (size > kMaxTokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot load the tokenizer: its highest token id is ", size - 1, ", the limit is ", kMaxTokens));
  }
  std::vector<TokenText> tokens(size);
  for (size_t id = 0; id < size; ++id) {
    OwnedBytes bytes;
    PERENNIAL_CHECK(perennial_tokenizer_token_bytes(rust->tokenizer.get(), static_cast<TokenId>(id), bytes.out()));
    tokens[id].bytes = bytes.Text();
    tokens[id].is_control = perennial_tokenizer_is_control(rust->tokenizer.get(), static_cast<TokenId>(id));
  }
  auto tokenizer = absl::WrapUnique(new Tokenizer(std::move(rust), std::move(tokens)));
  absl::StatusOr<std::vector<TokenId>> letter = tokenizer->EncodeText("x");
  if (!letter.ok()) return letter.status();
  tokenizer->adds_leading_space_ = !letter->empty() && tokenizer->TokenBytes(letter->front()).substr(0, 1) == " ";
  return tokenizer;
}

Tokenizer::Tokenizer(std::unique_ptr<text_internal::RustText> rust, std::vector<TokenText> tokens)
    : rust_(std::move(rust)), tokens_(std::move(tokens)) {}

Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::vector<TokenId>> Tokenizer::EncodeText(absl::string_view text) const {
  return Encode(rust_->tokenizer.get(), text, /*rendered=*/false);
}

absl::StatusOr<std::vector<TokenId>> Tokenizer::EncodeRendered(absl::string_view rendered) const {
  return Encode(rust_->tokenizer.get(), rendered, /*rendered=*/true);
}

absl::StatusOr<std::string> Tokenizer::Defuse(absl::string_view text, bool keep_template_literals) const {
  OwnedBytes defused;
  if (!perennial_tokenizer_defuse(rust_->tokenizer.get(), SliceOf(text), keep_template_literals, defused.out())) {
    return absl::InvalidArgumentError(defused.Text());
  }
  return defused.Text();
}

const std::string& Tokenizer::TokenBytes(TokenId token) const {
  static const std::string& none = *new std::string();
  return token >= 0 && token < vocab_size() ? tokens_[token].bytes : none;
}

bool Tokenizer::IsControl(TokenId token) const {
  return token >= 0 && token < vocab_size() && tokens_[token].is_control;
}

TokenId Tokenizer::ControlToken(absl::string_view literal) const {
  return perennial_tokenizer_control_token(rust_->tokenizer.get(), SliceOf(literal));
}

}  // namespace perennial
