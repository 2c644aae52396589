// A directory in Hugging Face's layout as a checkpoint.

#ifndef PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_CHECKPOINT_H_
#define PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_CHECKPOINT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/checkpoint_contents.h"

namespace perennial {

// The directory's files in memory. An empty text means that the file is not there.
struct HuggingFaceFiles {
  struct Weights {
    std::string file_name;              // "model-00001-of-00002.safetensors"
    absl::Span<const std::byte> bytes;  // safetensors
  };

  absl::string_view config;             // config.json; required
  absl::string_view tokenizer;          // tokenizer.json; required
  absl::string_view tokenizer_config;   // tokenizer_config.json
  absl::string_view generation_config;  // generation_config.json
  absl::string_view chat_template;      // chat_template.jinja; goes before tokenizer_config.json's
  absl::string_view index;              // model.safetensors.index.json, if the weights are in several files
  std::vector<Weights> weights;
};

// Everything from files in memory; the result views the weights only. Errors begin with the file's name.
absl::StatusOr<CheckpointContents> ReadHuggingFaceContents(const HuggingFaceFiles& files);

// Maps the directory's files and reads them. Errors begin with the directory's path. Files may be symbolic links, as
// they are in Hugging Face's own cache; names in the index may not lead out of the directory.
absl::StatusOr<std::unique_ptr<Checkpoint>> OpenHuggingFaceCheckpoint(const std::string& directory);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_HUGGING_FACE_CHECKPOINT_H_
