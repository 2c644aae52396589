// RoPE in config.json, for the families' read_hugging_face (family.h): rope_theta beside rope_scaling (whose kind is
// called "type" or "rope_type"), as version 4 of transformers has it, or inside rope_parameters, as version 5 does. Of
// the two objects rope_scaling goes first, unless it is empty.

#ifndef PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_ROPE_H_
#define PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_ROPE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/json_object.h"
#include "model/model_config.h"

namespace perennial {

// What a family calls its RoPE parameters where they are members of their own, and what else is its own in them.
struct RopeWords {
  absl::string_view theta = "rope_theta";
  absl::string_view rotary_part = "";  // how much of a head rotates; "": all, and a file that says otherwise is refused
  double default_rotary_part = 1.0;
  // Phi-3. Early files call LongRoPE "yarn". Not 0: what stands for original_max_position_embeddings where it is not
  // beside rope_scaling; inside it is then without effect.
  bool yarn_is_longrope = false;
  int64_t original_tokens = 0;
};

// ropes (one at first, whose theta is the default), rotary_size and their effect on trained_tokens. REQUIRES:
// ReadSizes. UNIMPLEMENTED for scaling that changes with the running length (dynamic), and for an object for each kind
// of layers.
absl::Status ReadRopes(const JsonObject& object, const RopeWords& words, ModelConfig& config);

// Gemma 3's: layers with a window have frequencies of their own, and rope_parameters one object for either kind of
// layers. Beside it they are rope_theta, rope_scaling (of layers without a window only: its members replace those of
// rope_parameters' object; UNIMPLEMENTED if its kind has the older name alone, which versions of transformers read
// differently) and rope_local_base_freq. `ropes` holds the two defaults, that of windowed layers last; without windowed
// layers one remains. trained_tokens stays. REQUIRES: ReadSizes, ReadLayerTypes.
absl::Status ReadLayerRopes(const JsonObject& object, ModelConfig& config);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_ROPE_H_
