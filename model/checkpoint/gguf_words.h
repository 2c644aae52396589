// Parts of GGUF files that many families have in common, for their gguf_names and read_gguf (family.h). What llama.cpp
// calls things.

#ifndef PERENNIAL_MODEL_CHECKPOINT_GGUF_WORDS_H_
#define PERENNIAL_MODEL_CHECKPOINT_GGUF_WORDS_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "model/checkpoint/config_fields.h"
#include "model/checkpoint/gguf_reader.h"
#include "model/checkpoint/tensor_names.h"
#include "model/model_config.h"

namespace perennial {

// token_embd, output_norm, output: the same in every architecture.
extern const absl::Span<const TensorWord> kGgufWhole;

// Tensors that are not weights: RoPE's divisors, which the caller reads, and old files' copies of the frequencies.
extern const absl::Span<const absl::string_view> kGgufUnused;

// attn_norm, ffn_norm, attn_q, attn_k, attn_v, attn_qkv, attn_output, ffn_gate, ffn_up, ffn_down: sequential blocks and
// parallel ones alike, as Family::gguf_names wants it.
const TensorNames* LlamaGgufNames(const GgufFile& file);

// Gives layers a window of their own (0: none has one): those that key attention.sliding_window_pattern says, which is
// a list with an element for every layer, or a number: the last of so many layers sees everything (0: no layer does).
// Without the key, `pattern` is that number.
void ReadLayerWindows(int32_t window, int32_t pattern, GgufFields& fields, ModelConfig& config);

// The same by a rule.
void SetLayerWindows(int32_t window, absl::FunctionRef<bool(int32_t)> slides, ModelConfig& config);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_GGUF_WORDS_H_
