// A GGUF file as a checkpoint.

#ifndef PERENNIAL_MODEL_CHECKPOINT_GGUF_CHECKPOINT_H_
#define PERENNIAL_MODEL_CHECKPOINT_GGUF_CHECKPOINT_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/checkpoint_contents.h"

namespace perennial {

// Everything from bytes in memory; the result's tensors view them. INVALID_ARGUMENT for a file that is damaged or
// contradicts itself, UNIMPLEMENTED for what is not supported: an architecture, a variant, a type of weights. Errors
// name the key or tensor and do not contain a path. Of the weights it reads the rope factors alone.
absl::StatusOr<CheckpointContents> ReadGgufContents(absl::Span<const std::byte> bytes);

// Maps the file, which must not change as long as the checkpoint lives, and reads it. Errors begin with the path:
// MappedFile's, or as above.
absl::StatusOr<std::unique_ptr<Checkpoint>> OpenGgufCheckpoint(const std::string& path);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_GGUF_CHECKPOINT_H_
