#include "model/checkpoint/gguf_checkpoint.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/checkpoint/error_text.h"
#include "model/checkpoint/gguf_config.h"
#include "model/checkpoint/gguf_reader.h"

namespace perennial {
namespace {

constexpr absl::string_view kRopeDivisors = "rope_freqs.weight";

// GGUF's and Hugging Face's words for one part of a model.
struct Word {
  absl::string_view gguf;
  absl::string_view canonical;
};
constexpr Word kWhole[] = {{"token_embd", "embed_tokens"}, {"output_norm", "norm"}, {"output", "lm_head"}};
constexpr Word kPerLayer[] = {
    {"attn_norm", "input_layernorm"}, {"ffn_norm", "post_attention_layernorm"},
    {"attn_q", "self_attn.q_proj"},   {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},   {"attn_output", "self_attn.o_proj"},
    {"ffn_gate", "mlp.gate_proj"},    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};

const Word* FindWord(absl::Span<const Word> words, absl::string_view gguf) {
  const auto found = std::find_if(words.begin(), words.end(), [gguf](const Word& word) { return word.gguf == gguf; });
  return found == words.end() ? nullptr : &*found;
}

// RoPE frequencies that the converter divided already: every layer's old-style copy of them is ignored too.
bool IsIgnored(absl::string_view name) {
  return name == kRopeDivisors || (absl::StartsWith(name, "blk.") && absl::EndsWith(name, ".attn_rot_embd"));
}

absl::Status ReadRopeDivisors(const GgufFile& file, ModelConfig& config) {
  for (const TensorView& tensor : file.tensors) {
    if (tensor.name != kRopeDivisors) continue;
    if (tensor.type != TensorType::kF32 || tensor.shape != std::vector<int64_t>{config.head_size / 2}) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", kRopeDivisors, " is ", TensorTypeName(tensor.type), " ",
                                                     ShapeText(tensor.shape), "; needed is F32 [", config.head_size / 2,
                                                     "]"));
    }
    config.rope_frequency_divisors.resize(tensor.num_elements());
    Dequantize(tensor, absl::MakeSpan(config.rope_frequency_divisors));
  }
  return absl::OkStatus();
}

}  // namespace

std::string CanonicalGgufName(absl::string_view name) {
  absl::string_view rest = name;
  const size_t last_dot = rest.rfind('.');
  if (last_dot == absl::string_view::npos) return std::string(name);
  const absl::string_view kind = rest.substr(last_dot);  // ".weight" or ".bias"
  rest = rest.substr(0, last_dot);
  if (kind != ".weight" && kind != ".bias") return std::string(name);
  if (!absl::ConsumePrefix(&rest, "blk.")) {
    const Word* const word = FindWord(kWhole, rest);
    return word == nullptr ? std::string(name) : absl::StrCat(word->canonical, kind);
  }
  const size_t dot = rest.find('.');
  if (dot == absl::string_view::npos) return std::string(name);
  const Word* const word = FindWord(kPerLayer, rest.substr(dot + 1));
  return word == nullptr ? std::string(name) : absl::StrCat("layers.", rest.substr(0, dot), ".", word->canonical, kind);
}

absl::StatusOr<CheckpointContents> ReadGgufContents(absl::Span<const std::byte> bytes) {
  const absl::StatusOr<GgufFile> file = ReadGguf(bytes);
  if (!file.ok()) return file.status();
  const GgufMetadata metadata(*file);

  CheckpointContents contents;
  for (const TensorView& tensor : file->tensors) {
    if (IsIgnored(tensor.name)) continue;
    if (absl::Status added = contents.tensors.Add(CanonicalGgufName(tensor.name), tensor); !added.ok()) return added;
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
