// What the JSON files of a Hugging Face directory mean: network, special tokens, chat template, sampling defaults.

#ifndef PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_CONFIG_H_
#define PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_CONFIG_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/family.h"
#include "model/checkpoint/json_object.h"
#include "model/model_config.h"

namespace perennial {

// The family that config.json names. UNIMPLEMENTED if it is none of ours; the message says why, or which are.
absl::StatusOr<const Family*> HuggingFaceFamily(const JsonObject& object);

// config.json → the network, as its family reads it. bos_token and end_tokens hold what config.json says and may be
// empty. UNIMPLEMENTED for variants that a family does not know, and for quantised weights.
absl::StatusOr<ModelConfig> ReadHuggingFaceConfig(const JsonObject& object);

// generation_config.json. `end_tokens` gets its eos_token_id, one or many.
absl::StatusOr<GenerationDefaults> ReadHuggingFaceGeneration(const JsonObject& object, int32_t vocab_size,
                                                             std::vector<TokenId>& end_tokens);

// What tokenizer_config.json says.
struct TokenizerSettings {
  std::optional<bool> add_bos;
  std::string bos_text;  // empty: none
  std::string eos_text;
  std::string chat_template;  // the one, or the one called "default"; empty: none
};
absl::StatusOr<TokenizerSettings> ReadTokenizerSettings(const JsonObject& object);

// What tokenizer.json says about special tokens; the rest of it is for the tokenizer itself.
struct AddedTokens {
  absl::flat_hash_map<std::string, TokenId> ids;  // text → id, of all added tokens
  std::string first_text;                         // the token that its post-processor puts first; empty: none

  const std::string* TextOf(TokenId id) const;  // nullptr: not an added token
};
absl::StatusOr<AddedTokens> ReadAddedTokens(absl::string_view tokenizer_json);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_CONFIG_H_
