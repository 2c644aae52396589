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

// Everything from bytes in memory; the result views them. Errors do not contain a path.
absl::StatusOr<CheckpointContents> ReadGgufContents(absl::Span<const std::byte> bytes);

// Maps the file and reads it. Errors begin with the path.
absl::StatusOr<std::unique_ptr<Checkpoint>> OpenGgufCheckpoint(const std::string& path);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_GGUF_CHECKPOINT_H_
