// What a family's checkpoints call their tensors, as a table that turns those names into canonical ones (checkpoint.h).

#ifndef PERENNIAL_MODEL_CHECKPOINT_TENSOR_NAMES_H_
#define PERENNIAL_MODEL_CHECKPOINT_TENSOR_NAMES_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace perennial {

// Two words for one part of a network: "attn_q" in a file is "self_attn.q_proj" here. Without ".weight" or ".bias".
struct TensorWord {
  absl::string_view file;
  absl::string_view canonical;
};

// A file's name is PREFIX + word + ".weight" or ".bias"; of a layer, PREFIX + LAYER + number + "." + word + the same.
// Names whose words are not listed keep them: the table lists only what differs. Views static memory.
struct TensorNames {
  absl::string_view prefix = "model.";              // cut off where a name has it
  absl::string_view layer = "layers.";              // before a layer's number
  absl::Span<const TensorWord> whole = {};          // parts that the network has once
  absl::Span<const TensorWord> per_layer = {};      // parts of every layer
  absl::Span<const absl::string_view> unused = {};  // endings of tensors that say nothing: buffers of old versions
};

std::string CanonicalName(const TensorNames& names, absl::string_view name);

// True for a tensor that the network does not need and that changes nothing.
bool IsUnused(const TensorNames& names, absl::string_view name);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_TENSOR_NAMES_H_
