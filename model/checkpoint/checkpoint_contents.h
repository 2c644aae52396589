// What every reader produces, whatever the format: the one implementation of Checkpoint is a holder of this.

#ifndef PERENNIAL_MODEL_CHECKPOINT_CHECKPOINT_CONTENTS_H_
#define PERENNIAL_MODEL_CHECKPOINT_CHECKPOINT_CONTENTS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/mapped_file.h"
#include "model/checkpoint/tensor_table.h"
#include "model/model_config.h"

namespace perennial {

// The members are those of Checkpoint, whose comments say what they mean. A value without invariants of its own:
// CheckContents checks what a reader put in. `tensors` views bytes that the reader's caller keeps alive.
struct CheckpointContents {
  ModelConfig config;
  TokenizerSource tokenizer;
  std::string chat_template;
  std::string bos_text;
  std::string eos_text;
  GenerationDefaults generation;
  TensorTable tensors;
};

// Checks the configuration (ValidateModelConfig) and every tensor that it needs (CheckTensors). Readers call it last.
absl::Status CheckContents(const CheckpointContents& contents);

// Literals that end a reply in well-known chat templates: "<|im_end|>", "<|eot_id|>", "</s>" …
absl::Span<const absl::string_view> EndOfTurnLiterals();

// Adds `token` to config.end_tokens unless it is there.
void AddEndToken(TokenId token, ModelConfig& config);

// The length after scaling of a model whose file states `stated_tokens`: multiplied by the factor for linear scaling,
// where files state the length before it; at least original length × factor for YaRN; as stated otherwise. A result
// that no model can have is more than ValidateModelConfig allows.
int64_t TrainedTokens(int64_t stated_tokens, const RopeScaling& scaling);

// A checkpoint that owns its contents and the files that they view. `path` is for messages.
std::unique_ptr<Checkpoint> MakeCheckpoint(std::string path, CheckpointContents contents,
                                           std::vector<MappedFile> files);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_CHECKPOINT_CONTENTS_H_
