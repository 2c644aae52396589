#include "model/checkpoint/checkpoint.h"

#include "model/checkpoint/gguf_checkpoint.h"

namespace perennial {

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::Open(const std::string& path) {
  return OpenGgufCheckpoint(path);
}

}  // namespace perennial
