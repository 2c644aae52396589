// A model on disk: a GGUF file or a Hugging Face directory, read into one form that the rest of the program knows.
//
// Files are untrusted: every offset, length, shape and type is checked before use, and an error is one line naming the
// file, the tensor or key, and the reason.

#ifndef PERENNIAL_MODEL_CHECKPOINT_CHECKPOINT_H_
#define PERENNIAL_MODEL_CHECKPOINT_CHECKPOINT_H_

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/tensor.h"
#include "model/model_config.h"

namespace perennial {

// The arrays of `tokenizer.ggml.*`.
struct GgufVocabulary {
  std::string model;                // "gpt2" (byte-level BPE) or "llama" (SentencePiece-type, scores)
  std::string pre;                  // pre-tokenizer's name, e.g. "smollm"
  std::vector<std::string> tokens;  // [vocab]; bytes, not always UTF-8
  std::vector<int32_t> types;       // [vocab]: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte
  std::vector<float> scores;        // [vocab] for "llama", else may be empty
  std::vector<std::string> merges;  // for "gpt2"
  bool add_bos = false;
  bool add_space_prefix = true;  // "llama"
  // Control tokens swallow the white space after them (Phi-3's "<|user|>\n"): the file does not say it, its name does.
  bool controls_take_space_after = false;
};

// Where the tokenizer comes from: the text of tokenizer.json, or GGUF's arrays.
struct TokenizerJson {
  std::string json;
  bool add_bos = false;
};
using TokenizerSource = std::variant<TokenizerJson, GgufVocabulary>;

// generation_config.json; unset where the checkpoint says nothing.
struct GenerationDefaults {
  std::optional<float> temperature;
  std::optional<int32_t> top_k;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> repetition_penalty;
  std::optional<bool> do_sample;  // false: greedy
  std::optional<int32_t> max_new_tokens;
};

// Immutable after Open; thread-safe. Tensor bytes are memory-mapped and live as long as the checkpoint.
class Checkpoint {
 public:
  // `path`: a .gguf file or a directory with config.json. NOT_FOUND, INVALID_ARGUMENT (broken or hostile file) or
  // UNIMPLEMENTED (unsupported architecture, tensor type or RoPE kind; says which are supported).
  static absl::StatusOr<std::unique_ptr<Checkpoint>> Open(const std::string& path);

  virtual ~Checkpoint() = default;

  virtual const ModelConfig& config() const = 0;
  virtual const TokenizerSource& tokenizer() const = 0;
  virtual const std::string& chat_template() const = 0;  // Jinja source; empty if the checkpoint has none
  virtual const std::string& bos_text() const = 0;       // text of the BOS and EOS tokens, for templates
  virtual const std::string& eos_text() const = 0;
  virtual const GenerationDefaults& generation() const = 0;
  virtual const std::string& path() const = 0;

  // Finds a tensor by its canonical name, whatever the file calls it, and checks its shape. TensorsNeeded
  // (tensor_table.h) lists the names that a network needs; they are those of Hugging Face's Llama, Gemma and Phi-3,
  // without "model.":
  //   embed_tokens · norm · lm_head
  //   layers.I.{input_layernorm, post_attention_layernorm, pre_feedforward_layernorm, post_feedforward_layernorm}
  //   layers.I.self_attn.{q,k,v,qkv,o}_proj, layers.I.self_attn.{q,k}_norm · layers.I.mlp.{gate,up,gate_up,down}_proj
  // and ".weight" or ".bias". NOT_FOUND if missing, INVALID_ARGUMENT if the shape differs.
  virtual absl::StatusOr<TensorView> Tensor(absl::string_view canonical_name,
                                            const std::vector<int64_t>& expected_shape) const = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_CHECKPOINT_H_
