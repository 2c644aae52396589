// Vocabulary, special tokens and sampling defaults of a GGUF file. See gguf_config.h.

#include <limits>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/checkpoint/checkpoint_contents.h"
#include "model/checkpoint/error_text.h"
#include "model/checkpoint/gguf_config.h"

namespace perennial {
namespace {

constexpr int32_t kControl = 3;  // token types in which a reply's end can be written
constexpr int32_t kUserDefined = 4;
constexpr int32_t kLastType = 6;

absl::StatusOr<std::vector<std::string>> ReadStrings(const GgufMetadata& metadata, absl::string_view key) {
  const absl::StatusOr<const GgufArray*> array = metadata.FindArray(key);
  if (!array.ok()) return array.status();
  if (*array == nullptr) return absl::InvalidArgumentError(absl::StrCat("metadata key ", key, " is missing"));
  if ((*array)->element_type != GgufType::kString) {
    return absl::InvalidArgumentError(absl::StrCat("metadata key ", key, " is an array of ",
                                                   GgufTypeName((*array)->element_type), ", not of strings"));
  }
  std::vector<std::string> strings;
  strings.reserve((*array)->strings.size());
  for (const absl::string_view text : (*array)->strings) strings.emplace_back(text);
  return strings;
}

// An array with one number per token, or nullptr.
absl::StatusOr<const GgufArray*> FindPerToken(const GgufMetadata& metadata, absl::string_view key, size_t num_tokens) {
  absl::StatusOr<const GgufArray*> array = metadata.FindArray(key);
  if (!array.ok() || *array == nullptr) return array;
  if ((*array)->size != num_tokens) {
    return absl::InvalidArgumentError(absl::StrCat("metadata key ", key, " has ", (*array)->size, " elements, but ",
                                                   "tokenizer.ggml.tokens has ", num_tokens));
  }
  return array;
}

absl::Status ReadTypes(const GgufMetadata& metadata, GgufVocabulary& vocabulary) {
  constexpr absl::string_view kKey = "tokenizer.ggml.token_type";
  const absl::StatusOr<const GgufArray*> array = FindPerToken(metadata, kKey, vocabulary.tokens.size());
  if (!array.ok()) return array.status();
  vocabulary.types.assign(vocabulary.tokens.size(), 1);
  if (*array == nullptr) return absl::OkStatus();
  for (size_t i = 0; i < vocabulary.types.size(); ++i) {
    const std::optional<int64_t> type = (*array)->Integer(i);
    if (!type.has_value() || *type < 0 || *type > kLastType) {
      return absl::InvalidArgumentError(
          absl::StrCat("metadata key ", kKey, " has an element, number ", i, ", that is not from 0 to ", kLastType));
    }
    vocabulary.types[i] = static_cast<int32_t>(*type);
  }
  return absl::OkStatus();
}

absl::Status ReadScores(const GgufMetadata& metadata, GgufVocabulary& vocabulary) {
  constexpr absl::string_view kKey = "tokenizer.ggml.scores";
  const absl::StatusOr<const GgufArray*> array = FindPerToken(metadata, kKey, vocabulary.tokens.size());
  if (!array.ok()) return array.status();
  if (*array == nullptr) {
    if (vocabulary.model != "llama") return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("metadata key ", kKey, " is missing"));
  }
  vocabulary.scores.resize(vocabulary.tokens.size());
  for (size_t i = 0; i < vocabulary.scores.size(); ++i) {
    const std::optional<double> score = (*array)->Real(i);
    if (!score.has_value() || *score != *score) {
      return absl::InvalidArgumentError(
          absl::StrCat("metadata key ", kKey, " has an element, number ", i, ", that is not a number"));
    }
    vocabulary.scores[i] = static_cast<float>(*score);
  }
  return absl::OkStatus();
}

// What llama.cpp does when the file does not say: SentencePiece vocabularies and these BPE families begin with BOS.
bool DefaultAddBos(const GgufVocabulary& vocabulary) {
  return vocabulary.model == "llama" || vocabulary.pre == "llama3" || vocabulary.pre == "llama-v3" ||
         vocabulary.pre == "llama-bpe" || vocabulary.pre == "falcon3" || vocabulary.pre == "tekken";
}

// As llama.cpp tells: GGUF has no place for it.
absl::StatusOr<bool> IsPhi3(const GgufMetadata& metadata) {
  const absl::StatusOr<std::optional<absl::string_view>> name = metadata.FindString("general.name");
  if (!name.ok()) return name.status();
  const std::string lower = absl::AsciiStrToLower(name->value_or(""));
  return absl::StrContains(lower, "phi-3") || absl::StrContains(lower, "phi3");
}

absl::Status ReadFlag(const GgufMetadata& metadata, absl::string_view key, bool& flag) {
  const absl::StatusOr<std::optional<bool>> value = metadata.FindBool(key);
  if (!value.ok()) return value.status();
  if (value->has_value()) flag = **value;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GgufVocabulary> ReadGgufVocabulary(const GgufMetadata& metadata) {
  GgufVocabulary vocabulary;
  const absl::StatusOr<absl::string_view> model = metadata.GetString("tokenizer.ggml.model");
  if (!model.ok()) return model.status();
  vocabulary.model = std::string(*model);
  if (vocabulary.model != "gpt2" && vocabulary.model != "llama") {
    return absl::UnimplementedError(
        absl::StrCat("tokenizer.ggml.model ", Quoted(*model), " is not supported; supported are gpt2 and llama"));
  }
  const absl::StatusOr<std::optional<absl::string_view>> pre = metadata.FindString("tokenizer.ggml.pre");
  if (!pre.ok()) return pre.status();
  vocabulary.pre = std::string(pre->value_or(""));

  absl::StatusOr<std::vector<std::string>> tokens = ReadStrings(metadata, "tokenizer.ggml.tokens");
  if (!tokens.ok()) return tokens.status();
  vocabulary.tokens = *std::move(tokens);
  if (absl::Status types = ReadTypes(metadata, vocabulary); !types.ok()) return types;
  if (absl::Status scores = ReadScores(metadata, vocabulary); !scores.ok()) return scores;
  if (vocabulary.model == "gpt2") {
    absl::StatusOr<std::vector<std::string>> merges = ReadStrings(metadata, "tokenizer.ggml.merges");
    if (!merges.ok()) return merges.status();
    vocabulary.merges = *std::move(merges);
  }
  vocabulary.add_bos = DefaultAddBos(vocabulary);
  absl::Status read = ReadFlag(metadata, "tokenizer.ggml.add_bos_token", vocabulary.add_bos);
  if (!read.ok()) return read;
  read = ReadFlag(metadata, "tokenizer.ggml.add_space_prefix", vocabulary.add_space_prefix);
  if (!read.ok()) return read;
  const absl::StatusOr<bool> is_phi3 = IsPhi3(metadata);
  if (!is_phi3.ok()) return is_phi3.status();
  vocabulary.controls_take_space_after = *is_phi3;
  return vocabulary;
}

absl::Status ReadGgufSpecialTokens(const GgufMetadata& metadata, const GgufVocabulary& vocabulary,
                                   absl::string_view chat_template, ModelConfig& config, TokenId& eos) {
  const auto find = [&](absl::string_view name) {
    return metadata.FindInteger(absl::StrCat("tokenizer.ggml.", name, "_token_id"), 0,
                                static_cast<int64_t>(vocabulary.tokens.size()) - 1);
  };
  const absl::StatusOr<std::optional<int64_t>> bos = find("bos");
  if (!bos.ok()) return bos.status();
  if (bos->has_value()) config.bos_token = static_cast<TokenId>(**bos);

  eos = kNoToken;
  for (const absl::string_view name : {"eos", "eot", "eom"}) {
    const absl::StatusOr<std::optional<int64_t>> token = find(name);
    if (!token.ok()) return token.status();
    if (!token->has_value()) continue;
    if (name == "eos") eos = static_cast<TokenId>(**token);
    AddEndToken(static_cast<TokenId>(**token), config);
  }
  // SentencePiece's own numbers, when the file does not say.
  if (vocabulary.model == "llama" && vocabulary.tokens.size() > 2) {
    if (!config.bos_token.has_value()) config.bos_token = 1;
    if (eos == kNoToken) {
      eos = 2;
      AddEndToken(eos, config);
    }
  }
  absl::flat_hash_map<absl::string_view, TokenId> controls;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    if (vocabulary.types[i] == kControl || vocabulary.types[i] == kUserDefined) {
      controls.emplace(vocabulary.tokens[i], static_cast<TokenId>(i));
    }
  }
  for (const absl::string_view literal : EndOfTurnLiterals()) {
    const auto found = controls.find(literal);
    if (found != controls.end() && absl::StrContains(chat_template, literal)) AddEndToken(found->second, config);
  }
  if (config.end_tokens.empty()) {
    return absl::InvalidArgumentError("metadata key tokenizer.ggml.eos_token_id is missing: no token ends a reply");
  }
  return absl::OkStatus();
}

absl::StatusOr<GenerationDefaults> ReadGgufGeneration(const GgufMetadata& metadata) {
  GenerationDefaults generation;
  for (const auto& [key, value] :
       {std::pair("general.sampling.temp", &generation.temperature),
        std::pair("general.sampling.top_p", &generation.top_p), std::pair("general.sampling.min_p", &generation.min_p),
        std::pair("general.sampling.penalty_repeat", &generation.repetition_penalty)}) {
    const absl::StatusOr<std::optional<double>> number = metadata.FindReal(key);
    if (!number.ok()) return number.status();
    if (number->has_value()) *value = static_cast<float>(**number);
  }
  const absl::StatusOr<std::optional<int64_t>> top_k =
      metadata.FindInteger("general.sampling.top_k", 0, std::numeric_limits<int32_t>::max());
  if (!top_k.ok()) return top_k.status();
  if (top_k->has_value()) generation.top_k = static_cast<int32_t>(**top_k);
  return generation;
}

}  // namespace perennial
