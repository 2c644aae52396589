// What a checkpoint says about its network, independent of the file format it came from.

#ifndef PERENNIAL_MODEL_MODEL_CONFIG_H_
#define PERENNIAL_MODEL_MODEL_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/token.h"

namespace perennial {

// How RoPE frequencies are changed for lengths beyond the original training length. All kinds here give *fixed*
// frequencies; kinds that depend on the running length (dynamic NTK, LongRoPE) are refused when the checkpoint is read.
enum class RopeScalingKind { kNone, kLinear, kLlama3, kYarn };

struct RopeScaling {
  RopeScalingKind kind = RopeScalingKind::kNone;
  double factor = 1.0;
  int64_t original_length = 0;  // tokens; llama3 and yarn
  // llama3
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  // yarn
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  std::optional<double> attention_factor;  // unset: 0.1 ln(factor) + 1
  bool truncate = true;                    // yarn: round the correction range to whole dimensions
};

// Order of the two halves that rotate together. Hugging Face checkpoints rotate dimension i with i + d/2; the llama
// GGUF layout stores q and k rows permuted so that 2i rotates with 2i + 1.
enum class RopeLayout { kHalves, kInterleaved };

// The Llama family (Llama 2 and 3, Mistral, SmolLM2, TinyLlama): pre-norm RMSNorm blocks, RoPE, grouped-query
// attention, SwiGLU feed-forward.
struct ModelConfig {
  std::string architecture;  // "llama" | "mistral" as the checkpoint says it
  std::string name;          // for people; may be empty

  int32_t vocab_size = 0;
  int32_t num_layers = 0;
  int32_t hidden_size = 0;
  int32_t num_heads = 0;
  int32_t num_kv_heads = 0;  // divides num_heads
  int32_t head_size = 0;     // even
  int32_t feed_forward_size = 0;
  float rms_norm_epsilon = 1e-5f;
  bool tied_embeddings = false;  // the output matrix is the embedding
  bool attention_bias = false;   // q, k, v and o have biases
  bool feed_forward_bias = false;

  double rope_theta = 10000.0;
  RopeLayout rope_layout = RopeLayout::kHalves;
  RopeScaling rope_scaling;
  std::vector<float> rope_frequency_divisors;  // GGUF's rope_freqs.weight, head_size / 2 values; empty if none

  int64_t trained_tokens = 0;       // length after scaling
  int32_t layer_window_tokens = 0;  // Mistral's own sliding window w, 0 if none

  std::optional<TokenId> bos_token;
  std::vector<TokenId> end_tokens;  // tokens that end a reply (EOS, end of turn); never empty
};

// INVALID_ARGUMENT naming the first field that is out of its range (absurd sizes, heads that do not divide, NaN …).
// Every reader calls it: afterwards all sizes are safe to multiply in 64 bits.
absl::Status ValidateModelConfig(const ModelConfig& config);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_MODEL_CONFIG_H_
