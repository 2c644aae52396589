#include "model/checkpoint/checkpoint.h"

#include <sys/stat.h>

#include "model/checkpoint/gguf_checkpoint.h"
#include "model/checkpoint/hugging_face_checkpoint.h"

namespace perennial {

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::Open(const std::string& path) {
  struct stat status = {};
  const bool is_directory = ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  // A path that does not exist takes the file's way, which reports it.
  return is_directory ? OpenHuggingFaceCheckpoint(path) : OpenGgufCheckpoint(path);
}

}  // namespace perennial
