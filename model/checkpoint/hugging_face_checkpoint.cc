#include "model/checkpoint/hugging_face_checkpoint.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/checkpoint/error_text.h"
#include "model/checkpoint/hugging_face_config.h"
#include "model/checkpoint/json_object.h"
#include "model/checkpoint/safetensors_reader.h"

namespace perennial {
namespace {

using nlohmann::json;

constexpr absl::string_view kConfig = "config.json";
constexpr absl::string_view kTokenizer = "tokenizer.json";
constexpr absl::string_view kTokenizerConfig = "tokenizer_config.json";
constexpr absl::string_view kGenerationConfig = "generation_config.json";
constexpr absl::string_view kChatTemplate = "chat_template.jinja";
constexpr absl::string_view kIndex = "model.safetensors.index.json";
constexpr absl::string_view kWeights = "model.safetensors";

constexpr size_t kMaxConfigBytes = 1 << 20;
constexpr size_t kMaxTokenizerConfigBytes = 16 << 20;  // lists every special token of some models
constexpr size_t kMaxTemplateBytes = 16 << 20;

// "models/tiny/" → "tiny".
std::string LastPart(absl::string_view directory) {
  while (absl::ConsumeSuffix(&directory, "/")) {
  }
  return std::string(directory.substr(directory.rfind('/') + 1));  // npos + 1 is 0
}

// Parsed, or an empty object if the file is not there.
absl::StatusOr<json> ParseOptional(absl::string_view text, size_t max_bytes) {
  return text.empty() ? absl::StatusOr<json>(json::object()) : ParseJsonObject(text, max_bytes);
}

absl::Status ReadTensors(const HuggingFaceFiles& files, const TensorNames& family_names, TensorTable& table) {
  if (files.weights.empty()) return absl::NotFoundError("no weights: neither model.safetensors nor an index of shards");
  std::vector<std::string> names;
  std::vector<std::vector<TensorView>> tensors;
  for (const HuggingFaceFiles::Weights& weights : files.weights) {
    absl::StatusOr<std::vector<TensorView>> read = ReadSafetensors(weights.bytes, family_names.unused);
    if (!read.ok()) return Within(weights.file_name, read.status());
    names.push_back(weights.file_name);
    tensors.push_back(*std::move(read));
  }
  if (!files.index.empty()) {
    absl::Status index = CheckIndex(files.index, names, tensors, family_names.unused);
    if (!index.ok()) return Within(kIndex, index);
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    for (TensorView& tensor : tensors[i]) {
      if (IsUnused(family_names, tensor.name)) continue;
      const std::string canonical = CanonicalName(family_names, tensor.name);
      absl::Status added = table.Add(canonical, std::move(tensor));
      if (!added.ok()) return Within(names[i], added);
    }
  }
  return absl::OkStatus();
}

// Special tokens from all files that speak of them, and where the tokenizer comes from.
absl::Status ReadText(const HuggingFaceFiles& files, CheckpointContents& contents) {
  const absl::StatusOr<json> parsed = ParseOptional(files.tokenizer_config, kMaxTokenizerConfigBytes);
  if (!parsed.ok()) return Within(kTokenizerConfig, parsed.status());
  absl::StatusOr<TokenizerSettings> settings = ReadTokenizerSettings(JsonObject(*parsed));
  if (!settings.ok()) return Within(kTokenizerConfig, settings.status());
  if (files.tokenizer.empty()) return absl::NotFoundError(absl::StrCat(kTokenizer, " is missing"));
  const absl::StatusOr<AddedTokens> added = ReadAddedTokens(files.tokenizer);
  if (!added.ok()) return Within(kTokenizer, added.status());

  if (files.chat_template.size() > kMaxTemplateBytes) {
    return absl::InvalidArgumentError(absl::StrCat(kChatTemplate, ": has ", files.chat_template.size(),
                                                   " bytes, more than the ", kMaxTemplateBytes, " allowed"));
  }
  contents.chat_template =
      files.chat_template.empty() ? std::move(settings->chat_template) : std::string(files.chat_template);

  ModelConfig& config = contents.config;
  const auto id_of = [&](absl::string_view text) -> std::optional<TokenId> {
    const auto found = added->ids.find(text);
    if (found == added->ids.end() || found->second >= config.vocab_size) return std::nullopt;
    return found->second;
  };
  contents.bos_text = std::move(settings->bos_text);
  contents.eos_text = std::move(settings->eos_text);
  if (!config.bos_token.has_value()) config.bos_token = id_of(contents.bos_text);
  if (contents.bos_text.empty() && config.bos_token.has_value()) {
    if (const std::string* text = added->TextOf(*config.bos_token)) contents.bos_text = *text;
  }
  if (contents.eos_text.empty() && !config.end_tokens.empty()) {
    if (const std::string* text = added->TextOf(config.end_tokens.front())) contents.eos_text = *text;
  }
  if (const std::optional<TokenId> eos = id_of(contents.eos_text)) AddEndToken(*eos, config);
  for (const absl::string_view literal : EndOfTurnLiterals()) {
    const std::optional<TokenId> token = id_of(literal);
    if (token.has_value() && absl::StrContains(contents.chat_template, literal)) AddEndToken(*token, config);
  }
  if (config.end_tokens.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(kConfig, ": key eos_token_id is missing, and no other file names a token that ends a reply"));
  }
  const bool puts_bos_first = !added->first_text.empty() && added->first_text == contents.bos_text;
  contents.tokenizer =
      TokenizerJson{.json = std::string(files.tokenizer), .add_bos = settings->add_bos.value_or(puts_bos_first)};
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CheckpointContents> ReadHuggingFaceContents(const HuggingFaceFiles& files) {
  CheckpointContents contents;
  const absl::StatusOr<json> config_json = ParseJsonObject(files.config, kMaxConfigBytes);
  if (!config_json.ok()) return Within(kConfig, config_json.status());
  absl::StatusOr<ModelConfig> config = ReadHuggingFaceConfig(JsonObject(*config_json));
  if (!config.ok()) return Within(kConfig, config.status());
  contents.config = *std::move(config);

  const absl::StatusOr<json> generation_json = ParseOptional(files.generation_config, kMaxConfigBytes);
  if (!generation_json.ok()) return Within(kGenerationConfig, generation_json.status());
  std::vector<TokenId> end_tokens;
  const absl::StatusOr<GenerationDefaults> generation =
      ReadHuggingFaceGeneration(JsonObject(*generation_json), contents.config.vocab_size, end_tokens);
  if (!generation.ok()) return Within(kGenerationConfig, generation.status());
  contents.generation = *generation;
  for (const TokenId token : end_tokens) AddEndToken(token, contents.config);

  if (absl::Status text = ReadText(files, contents); !text.ok()) return text;
  const absl::StatusOr<const Family*> family = HuggingFaceFamily(JsonObject(*config_json));
  if (!family.ok()) return Within(kConfig, family.status());
  absl::Status tensors = ReadTensors(files, *(*family)->hugging_face_names, contents.tensors);
  if (!tensors.ok()) return tensors;
  if (absl::Status checked = CheckContents(contents); !checked.ok()) return checked;
  return contents;
}

absl::StatusOr<std::unique_ptr<Checkpoint>> OpenHuggingFaceCheckpoint(const std::string& directory) {
  std::vector<MappedFile> mapped;
  // Views a mapped file, or nothing if it is not there.
  const auto map = [&](absl::string_view name) -> absl::StatusOr<absl::Span<const std::byte>> {
    absl::StatusOr<MappedFile> file = MappedFile::Open(absl::StrCat(directory, "/", name));
    if (absl::IsNotFound(file.status())) return absl::Span<const std::byte>();
    if (!file.ok()) return file.status();
    mapped.push_back(*std::move(file));
    return mapped.back().bytes();
  };
  HuggingFaceFiles files;
  for (const auto& [name, text] :
       {std::pair(kConfig, &files.config), std::pair(kTokenizer, &files.tokenizer),
        std::pair(kTokenizerConfig, &files.tokenizer_config), std::pair(kGenerationConfig, &files.generation_config),
        std::pair(kChatTemplate, &files.chat_template), std::pair(kIndex, &files.index)}) {
    const absl::StatusOr<absl::Span<const std::byte>> bytes = map(name);
    if (!bytes.ok()) return bytes.status();
    *text = absl::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }
  if (files.config.empty()) return absl::NotFoundError(absl::StrCat(directory, ": has no config.json"));

  // One file goes before shards, as in transformers.
  absl::StatusOr<absl::Span<const std::byte>> single = map(kWeights);
  if (!single.ok()) return single.status();
  if (!single->empty()) {
    files.index = {};
    files.weights.push_back({.file_name = std::string(kWeights), .bytes = *single});
  } else if (!files.index.empty()) {
    const absl::StatusOr<std::vector<std::string>> shards = ListShards(files.index);
    if (!shards.ok()) return Within(absl::StrCat(directory, ": ", kIndex), shards.status());
    for (const std::string& name : *shards) {
      const absl::StatusOr<absl::Span<const std::byte>> bytes = map(name);
      if (!bytes.ok()) return bytes.status();
      if (bytes->empty())
        return absl::NotFoundError(absl::StrCat(directory, ": ", kIndex, " names ", name, ", which is missing"));
      files.weights.push_back({.file_name = name, .bytes = *bytes});
    }
  }
  absl::StatusOr<CheckpointContents> contents = ReadHuggingFaceContents(files);
  if (!contents.ok()) return Within(directory, contents.status());
  if (contents->config.name.empty()) contents->config.name = LastPart(directory);
  return MakeCheckpoint(directory, *std::move(contents), std::move(mapped));
}

}  // namespace perennial
