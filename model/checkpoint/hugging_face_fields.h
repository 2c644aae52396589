// Parts of config.json that many families have in common, for their read_hugging_face (family.h). What transformers
// calls things, in version 4 and 5; positions are in hugging_face_rope.h.
//
// A key that is absent means what transformers' own configuration class of the family takes for it
// (tests/golden/families/defaults.json). Not so the sizes of tensors, which every file has: they are missed. Nor the
// numbers of special tokens, whose defaults fit the first model of a family only: the directory's other files name
// them. null is as absent, unless it is said to mean "none".

#ifndef PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_FIELDS_H_
#define PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_FIELDS_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/config_fields.h"
#include "model/checkpoint/json_object.h"
#include "model/model_config.h"

namespace perennial {

// Sizes in Llama's words: vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads; and with
// what config holds as defaults: num_key_value_heads (0, or null in the file: one for each head), head_dim (0: hidden
// size / heads), max_position_embeddings, tie_word_embeddings.
absl::Status ReadSizes(const JsonObject& object, ModelConfig& config);

// sliding_window, over its default; null: 0, none.
void ReadWindow(JsonFields& fields, int32_t& window);

// config.layers from layer_types, or, where that is absent, sliding where `slides(layer)`: those layers get the window.
// `window` 0: no layer may slide. REQUIRES: ReadSizes. UNIMPLEMENTED for other kinds of layers.
absl::Status ReadLayerTypes(const JsonObject& object, int32_t window, absl::FunctionRef<bool(int32_t)> slides,
                            ModelConfig& config);

// config.activation from a member; absent: as it is. UNIMPLEMENTED for one that is not silu or a kind of gelu.
absl::Status ReadActivation(const JsonObject& object, absl::string_view key, ModelConfig& config);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_FIELDS_H_
