// What a checkpoint says about its network, independent of the file format it came from: a table of everything in which
// decoder-only families differ. model/torch/decoder_network.h computes what stands here and knows no family by name;
// model/checkpoint/family_*.cc fill it in, one file per family.

#ifndef PERENNIAL_MODEL_MODEL_CONFIG_H_
#define PERENNIAL_MODEL_MODEL_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/token.h"

namespace perennial {

// How RoPE frequencies are changed for lengths beyond the original training length. All kinds here give frequencies
// that are *fixed* for a cache: LongRoPE's are chosen by its size, once. Dynamic NTK, which depends on the running
// length, is refused when the checkpoint is read.
enum class RopeScalingKind { kNone, kLinear, kLlama3, kYarn, kLongRope };

struct RopeScaling {
  RopeScalingKind kind = RopeScalingKind::kNone;
  double factor = 1.0;
  int64_t original_length = 0;  // tokens; llama3, yarn and LongRoPE
  // llama3
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  // yarn
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  bool truncate = true;  // round the correction range to whole dimensions
  // LongRoPE: frequencies are divided by the long factors in a cache of more than original_length slots, else by the
  // short ones; [rotary_size / 2] each
  std::vector<float> short_factors, long_factors;
  // multiplies cosine and sine; unset: 0.1 ln(factor) + 1 (yarn), sqrt(1 + ln(factor) / ln(original_length)) (LongRoPE)
  std::optional<double> attention_factor;

  bool operator==(const RopeScaling&) const = default;
};

// One set of rotary frequencies.
struct Rope {
  double theta = 10000.0;
  RopeScaling scaling;
  std::vector<float> frequency_divisors;  // GGUF's rope_freqs.weight, rotary_size / 2 values; empty if none

  bool operator==(const Rope&) const = default;
};

// Order of the two halves that rotate together. Hugging Face checkpoints rotate dimension i with i + r/2 (r: the rotary
// size); the llama GGUF layout stores q and k rows permuted so that 2i rotates with 2i + 1.
enum class RopeLayout { kHalves, kInterleaved };

enum class NormKind {
  kRms,    // x / sqrt(mean x²) · weight
  kLayer,  // (x - mean) / sqrt(variance) · weight, + bias if norm_bias
};

// x: the residual stream; A: attention; F: feed-forward; n, m, …: norms with weights of their own.
enum class BlockShape {
  kSequential,        // x += A(n x); x += F(m x)                      Llama, Mistral, Qwen, Phi-3, StableLM, MPT
  kParallelOneNorm,   // x += A(n x) + F(n x)                          Falcon-7B
  kParallelTwoNorms,  // x += A(n x) + F(m x)                          GPT-NeoX, Falcon-40B
  kSandwich,          // x += n' A(n x); x += m' F(m x)                Gemma 2 and 3
};

enum class Activation { kSilu, kGelu, kGeluTanh };  // kGelu: exact, by the error function

// How a checkpoint keeps the query, key and value matrices.
enum class QkvLayout {
  kSeparate,  // three tensors: self_attn.{q,k,v}_proj
  kStacked,   // one, self_attn.qkv_proj: all query rows, all key rows, all value rows
  kGrouped,   // one: for each key head its query heads' rows, its key rows, its value rows
};

// What differs between the layers of one network.
struct LayerView {
  int32_t window_tokens = 0;  // the layer's own sliding window w: sees distances < w only; 0: none
  int32_t rope = 0;           // index into ropes

  bool operator==(const LayerView&) const = default;
};

// Defaults are Llama's.
struct ModelConfig {
  std::string architecture;  // the family's name: "llama", "gpt_neox", …
  std::string name;          // for people; may be empty

  int32_t vocab_size = 0;
  int32_t num_layers = 0;
  int32_t hidden_size = 0;
  int32_t num_heads = 0;
  int32_t num_kv_heads = 0;  // divides num_heads
  int32_t head_size = 0;
  int32_t feed_forward_size = 0;

  NormKind norm = NormKind::kRms;
  float norm_epsilon = 1e-5f;
  bool norm_bias = false;          // kLayer only
  bool norm_adds_one = false;      // the checkpoint stores w where the network multiplies by 1 + w (Gemma)
  bool head_norms = false;         // queries and keys are normalised head by head, before they are rotated
  bool head_norms_differ = false;  // a weight for every head (StableLM 2), not one for all queries and one for all keys
  BlockShape block = BlockShape::kSequential;
  Activation activation = Activation::kSilu;
  bool gated = true;           // F(x) = down(activation(gate x) · up x); else down(activation(up x))
  bool fused_gate_up = false;  // gate and up are one tensor, mlp.gate_up_proj
  QkvLayout qkv_layout = QkvLayout::kSeparate;
  bool qkv_bias = false;
  bool attention_out_bias = false;
  bool feed_forward_bias = false;
  bool tied_embeddings = false;  // the output matrix is the embedding
  bool output_bias = false;      // of the output matrix

  // Position. Either some of a head's dimensions rotate, or scores get a bias (ALiBi), or both do nothing.
  int32_t rotary_size = 0;  // the first dimensions of a head, which rotate: even, 0 … head_size
  RopeLayout rope_layout = RopeLayout::kHalves;
  std::vector<Rope> ropes = {Rope()};
  std::vector<float> alibi_slopes;  // [num_heads]: score -= slope · distance inside the cache; empty: no ALiBi
  std::vector<LayerView> layers;    // [num_layers], or empty: no windows, the first of ropes

  // Numbers that the network multiplies or limits with.
  std::optional<double> attention_scale;  // of scores; unset: 1 / sqrt(head_size)
  double embedding_scale = 1.0;
  double qkv_clip = 0.0;           // queries, keys and values are cut to ± this (MPT); 0: not
  double attention_softcap = 0.0;  // scores become c · tanh(score / c); 0: not
  double output_softcap = 0.0;     // the same for logits

  int64_t trained_tokens = 0;  // length after scaling

  std::optional<TokenId> bos_token;
  std::vector<TokenId> end_tokens;  // tokens that end a reply (EOS, end of turn); never empty

  // What a model was trained with against attention sinks of its own making. Keys of ours in config.json.
  std::optional<TokenId> sink_token;  // "sink_token_id": belongs at the start of every stream
  bool zero_sink = false;             // "zero_sink": softmax with one added to its denominator

  LayerView layer(int32_t index) const { return layers.empty() ? LayerView() : layers[static_cast<size_t>(index)]; }
};

// How many of a stream's first tokens to keep as sinks where nobody says: the one that a model was trained with, else
// four (StreamingLLM, sections 3.1 and 3.3).
int32_t DefaultSinkTokens(const ModelConfig& config);

// INVALID_ARGUMENT naming the first field that is out of its range (absurd sizes, heads that do not divide, NaN …).
// Every reader calls it: afterwards all sizes are safe to multiply in 64 bits.
absl::Status ValidateModelConfig(const ModelConfig& config);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_MODEL_CONFIG_H_
