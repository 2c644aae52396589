// Parts of config.json that many families have in common, for their read_hugging_face (family.h). What transformers
// calls things, in version 4 and 5.

#ifndef PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_FIELDS_H_
#define PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_FIELDS_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/json_object.h"
#include "model/model_config.h"

namespace perennial {

// Sizes in Llama's words: vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads,
// num_key_value_heads, max_position_embeddings, and head_dim, whose default is what config.head_size holds, or hidden
// size / heads where that is 0. Tied embeddings (default: what config holds).
absl::Status ReadSizes(const JsonObject& object, ModelConfig& config);

// What a family calls its RoPE parameters where they are members of their own.
struct RopeWords {
  absl::string_view theta = "rope_theta";
  absl::string_view rotary_part = "partial_rotary_factor";
  double default_rotary_part = 1.0;
};

// ropes (one at first, whose theta is the default), rotary_size and their effect on trained_tokens. Knows rope_theta
// beside rope_scaling (whose kind is called "type" or "rope_type") and rope_parameters, also where that has one object
// for full and one for sliding layers: so the layers must have been read. REQUIRES: ReadSizes. UNIMPLEMENTED for
// scaling that changes with the running length (dynamic).
absl::Status ReadRopes(const JsonObject& object, const RopeWords& words, ModelConfig& config);

// config.layers from layer_types, or, where that is absent, sliding where `slides(layer)`: those layers get the window.
// `window` 0: no layer may slide. REQUIRES: ReadSizes. UNIMPLEMENTED for other kinds of layers.
absl::Status ReadLayerTypes(const JsonObject& object, int32_t window, absl::FunctionRef<bool(int32_t)> slides,
                            ModelConfig& config);

// config.activation from a member; absent: as it is. UNIMPLEMENTED for one that is not silu or a kind of gelu.
absl::Status ReadActivation(const JsonObject& object, absl::string_view key, ModelConfig& config);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_FIELDS_H_
