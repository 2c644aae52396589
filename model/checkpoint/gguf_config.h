// What a GGUF file's metadata means: network, vocabulary and defaults for sampling.

#ifndef PERENNIAL_MODEL_CHECKPOINT_GGUF_CONFIG_H_
#define PERENNIAL_MODEL_CHECKPOINT_GGUF_CONFIG_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/family.h"
#include "model/checkpoint/gguf_metadata.h"
#include "model/checkpoint/tensor_table.h"
#include "model/model_config.h"

namespace perennial {

// The family that the file names. UNIMPLEMENTED if it is none of ours; the message says why, or which are.
absl::StatusOr<const Family*> GgufFamily(const GgufMetadata& metadata);

// The network, as its family reads it (after what all have in common: sizes, RoPE and its scaling). `tensors`
// (canonical names) decides what the metadata leaves open: the vocabulary's size is the embedding's rows, embeddings
// are tied if there is no output matrix, biases are there if their tensors are. Tokens (bos_token, end_tokens) and
// frequency_divisors are left for the caller. UNIMPLEMENTED for experts or a RoPE scaling that is not none, linear or
// yarn.
absl::StatusOr<ModelConfig> ReadGgufConfig(const GgufMetadata& metadata, const TensorTable& tensors);

// The tokenizer's arrays, sizes checked against each other. UNIMPLEMENTED for a kind that is not "gpt2" or "llama".
absl::StatusOr<GgufVocabulary> ReadGgufVocabulary(const GgufMetadata& metadata);

// Sets bos_token and end_tokens: what tokenizer.ggml.{bos,eos,eot,eom}_token_id say, and control tokens that are
// well-known ends of a turn and occur in the chat template. INVALID_ARGUMENT for an id that is not in the vocabulary.
// `eos` gets the eos_token_id, or kNoToken.
absl::Status ReadGgufSpecialTokens(const GgufMetadata& metadata, const GgufVocabulary& vocabulary,
                                   absl::string_view chat_template, ModelConfig& config, TokenId& eos);

// general.sampling.*, which newer converters copy from generation_config.json.
absl::StatusOr<GenerationDefaults> ReadGgufGeneration(const GgufMetadata& metadata);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_GGUF_CONFIG_H_
