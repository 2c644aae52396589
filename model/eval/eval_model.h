// The model that perennial-eval measures: its files, its tokenizer, and the runner, loaded when a mode knows how much
// cache it needs. The one part of model/eval that knows model/torch.

#ifndef PERENNIAL_MODEL_EVAL_EVAL_MODEL_H_
#define PERENNIAL_MODEL_EVAL_EVAL_MODEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/checkpoint.h"
#include "model/eval/eval_stream.h"
#include "model/eval/questions.h"
#include "model/eval/text_tokens.h"
#include "model/model_config.h"
#include "model/text/tokenizer.h"
#include "model/token.h"
#include "model/torch/torch_model_runner.h"

namespace perennial {

struct EvalModelOptions {
  std::string path;          // of the model: a GGUF file or a Hugging Face directory
  TorchOptions torch;        // cache_memory_bytes and max_tokens_per_step are set by Load
  int32_t chunk_tokens = 0;  // tokens per step, >= 1
  bool bos = false;          // texts begin with the model's BOS token
  std::function<void(absl::string_view what, int64_t done, int64_t total)> progress;  // may be empty
};

// A session of questions, in pieces as the model's chat template writes them.
struct QuestionSession {
  std::vector<TokenId> opening, reply_end;
  std::vector<Question> questions;
};

// For one thread. Every error is one line that names the flag, the file or what is missing.
class EvalModel {
 public:
  explicit EvalModel(EvalModelOptions options) : options_(std::move(options)) {}

  // Opens the checkpoint and its tokenizer, once. REQUIRED by all that follows.
  absl::Status Open();

  const std::string& path() const { return options_.path; }
  EncodeFunction encode() const;
  // What stands before every text: the sink token that the model was trained with, if there is one, and BOS if texts
  // should begin with it. INVALID_ARGUMENT if they should and the model has none.
  absl::StatusOr<std::vector<TokenId>> TextBegin() const;
  // The first tokens of the files, TextBegin among them; 0: all. See text_tokens.h.
  absl::StatusOr<std::vector<TokenId>> TextTokens(const std::vector<std::string>& files, int64_t num_tokens) const;
  // The token of "\n" alone, if there is one.
  std::optional<TokenId> Newline() const;
  // Sinks that suit the model where nobody says how many; see DefaultSinkTokens.
  int32_t DefaultSinks() const { return DefaultSinkTokens(checkpoint_->config()); }
  // FAILED_PRECONDITION if the model has no chat template.
  absl::StatusOr<QuestionSession> Session(const std::vector<QuestionText>& questions) const;

  // Loads the weights, and memory for `num_caches` caches of `cache_tokens` tokens.
  absl::Status Load(int64_t cache_tokens, int32_t num_caches = 1);
  // REQUIRES: loaded. Points to this object.
  EvalSubject Subject() const;

 private:
  EvalModelOptions options_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<ModelRunner> runner_;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_EVAL_EVAL_MODEL_H_
