#include "model/checkpoint/gguf_checkpoint.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/error_text.h"
#include "model/checkpoint/gguf_config.h"
#include "model/checkpoint/gguf_reader.h"

namespace perennial {
namespace {

// Numbers that divide RoPE frequencies, which llama.cpp keeps as tensors: of the first frequencies, as those of
// windowed layers that have their own are never divided.
absl::Status ReadRopeDivisors(const GgufFile& file, ModelConfig& config) {
  if (config.ropes.empty()) return absl::OkStatus();
  Rope& rope = config.ropes.front();
  for (const TensorView& tensor : file.tensors) {
    std::vector<float>* const divisors = tensor.name == "rope_freqs.weight"           ? &rope.frequency_divisors
                                         : tensor.name == "rope_factors_short.weight" ? &rope.scaling.short_factors
                                         : tensor.name == "rope_factors_long.weight"  ? &rope.scaling.long_factors
                                                                                      : nullptr;
    if (divisors == nullptr) continue;
    if (tensor.type != TensorType::kF32 || tensor.shape != std::vector<int64_t>{config.rotary_size / 2}) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", tensor.name, " is ", TensorTypeName(tensor.type), " ",
                                                     ShapeText(tensor.shape), "; needed is F32 [",
                                                     config.rotary_size / 2, "]"));
    }
    divisors->resize(tensor.num_elements());
    Dequantize(tensor, absl::MakeSpan(*divisors));
  }
  RopeScaling& scaling = rope.scaling;
  if (!scaling.long_factors.empty()) {
    scaling.kind = RopeScalingKind::kLongRope;
    scaling.factor = static_cast<double>(config.trained_tokens) / static_cast<double>(scaling.original_length);
  }
  return absl::OkStatus();
}

// The norms of a layer's queries or keys. `prefix`: "layers.0.self_attn.q".
absl::Status SplitHeadNorms(const std::string& prefix, int32_t heads, int32_t head_size, TensorTable& table) {
  const std::string name = prefix + "_norm.weight";
  const absl::StatusOr<TensorView> stacked = table.Get(name, {heads, head_size});
  if (!stacked.ok()) return stacked.status();
  table.Remove(name);
  const size_t row_bytes = stacked->bytes.size() / static_cast<size_t>(heads);
  for (int32_t head = 0; head < heads; ++head) {
    TensorView row = {.name = stacked->name,
                      .type = stacked->type,
                      .shape = {head_size},
                      .bytes = stacked->bytes.subspan(static_cast<size_t>(head) * row_bytes, row_bytes)};
    const std::string row_name = absl::StrCat(prefix, "_layernorm.norms.", head, ".weight");
    if (absl::Status added = table.Add(row_name, std::move(row)); !added.ok()) return added;
  }
  return absl::OkStatus();
}

// Norms of heads that differ (StableLM 2) are the rows of one tensor here, [heads, head size], and tensors of their own
// elsewhere. The configuration bounds them, so that a small file cannot ask for millions.
absl::Status SplitHeadNorms(const ModelConfig& config, TensorTable& table) {
  if (!config.head_norms_differ) return absl::OkStatus();
  if (absl::Status valid = ValidateModelConfig(config); !valid.ok()) return valid;
  const int64_t norms = config.num_layers * (int64_t{config.num_heads} + config.num_kv_heads);
  if (norms > static_cast<int64_t>(GgufLimits::kMaxTensors)) {
    return absl::InvalidArgumentError(absl::StrCat("the configuration needs ", norms,
                                                   " norms of heads, more than the limit of ", GgufLimits::kMaxTensors,
                                                   " tensors"));
  }
  for (int32_t layer = 0; layer < config.num_layers; ++layer) {
    const std::string attention = absl::StrCat("layers.", layer, ".self_attn.");
    absl::Status split = SplitHeadNorms(attention + "q", config.num_heads, config.head_size, table);
    split.Update(SplitHeadNorms(attention + "k", config.num_kv_heads, config.head_size, table));
    if (!split.ok()) return split;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CheckpointContents> ReadGgufContents(absl::Span<const std::byte> bytes) {
  const absl::StatusOr<GgufFile> file = ReadGguf(bytes);
  if (!file.ok()) return file.status();
  const GgufMetadata metadata(*file);

  CheckpointContents contents;
  const absl::StatusOr<const Family*> family = GgufFamily(metadata);
  if (!family.ok()) return family.status();
  const TensorNames& names = *(*family)->gguf_names(*file);
  for (const TensorView& tensor : file->tensors) {
    if (IsUnused(names, tensor.name)) continue;
    absl::Status added = contents.tensors.Add(CanonicalName(names, tensor.name), tensor);
    if (!added.ok()) return added;
  }
  absl::StatusOr<ModelConfig> config = ReadGgufConfig(metadata, contents.tensors);
  if (!config.ok()) return config.status();
  contents.config = *std::move(config);
  if (absl::Status divisors = ReadRopeDivisors(*file, contents.config); !divisors.ok()) return divisors;

  const absl::StatusOr<std::optional<absl::string_view>> chat_template = metadata.FindString("tokenizer.chat_template");
  if (!chat_template.ok()) return chat_template.status();
  contents.chat_template = std::string(chat_template->value_or(""));

  absl::StatusOr<GgufVocabulary> vocabulary = ReadGgufVocabulary(metadata);
  if (!vocabulary.ok()) return vocabulary.status();
  if (vocabulary->tokens.size() != static_cast<size_t>(contents.config.vocab_size)) {
    return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.tokens has ", vocabulary->tokens.size(),
                                                   " elements, but tensor \"token_embd.weight\" has ",
                                                   contents.config.vocab_size, " rows"));
  }
  TokenId eos = kNoToken;
  absl::Status tokens = ReadGgufSpecialTokens(metadata, *vocabulary, contents.chat_template, contents.config, eos);
  if (!tokens.ok()) return tokens;
  if (contents.config.bos_token.has_value()) contents.bos_text = vocabulary->tokens[*contents.config.bos_token];
  if (eos != kNoToken) contents.eos_text = vocabulary->tokens[eos];
  contents.tokenizer = *std::move(vocabulary);

  absl::StatusOr<GenerationDefaults> generation = ReadGgufGeneration(metadata);
  if (!generation.ok()) return generation.status();
  contents.generation = *generation;

  if (absl::Status split = SplitHeadNorms(contents.config, contents.tensors); !split.ok()) return split;
  if (absl::Status checked = CheckContents(contents); !checked.ok()) return checked;
  return contents;
}

absl::StatusOr<std::unique_ptr<Checkpoint>> OpenGgufCheckpoint(const std::string& path) {
  absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  absl::StatusOr<CheckpointContents> contents = ReadGgufContents(file->bytes());
  if (!contents.ok()) return Within(path, contents.status());
  std::vector<MappedFile> files;
  files.push_back(*std::move(file));
  return MakeCheckpoint(path, *std::move(contents), std::move(files));
}

}  // namespace perennial
