// Gemma 1, 2 and 3 (text): RMSNorm that multiplies by 1 + w, embeddings scaled by the square root of the width, gelu.
// Gemma 2 puts norms behind attention and feed-forward too, bounds scores and logits softly, and lets every second
// layer look through a window. Gemma 3 does not bound scores, normalises queries and keys, and gives its windowed
// layers, five of six, frequencies of their own.

#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "model/checkpoint/family.h"
#include "model/checkpoint/gguf_words.h"
#include "model/checkpoint/hugging_face_fields.h"
#include "model/checkpoint/hugging_face_rope.h"

namespace perennial {
namespace {

constexpr TensorNames kNames = {};
constexpr absl::string_view kGemma[] = {"GemmaForCausalLM", "gemma"};
constexpr absl::string_view kGemma2[] = {"Gemma2ForCausalLM", "gemma2"};
constexpr absl::string_view kGemma3[] = {"Gemma3ForCausalLM", "gemma3_text"};

constexpr TensorWord kSandwichWords[] = {
    {"attn_norm", "input_layernorm"},
    {"post_attention_norm", "post_attention_layernorm"},
    {"ffn_norm", "pre_feedforward_layernorm"},
    {"post_ffw_norm", "post_feedforward_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};
const TensorNames* SandwichGgufNames(const GgufFile&) {
  static const TensorNames names = {
      .prefix = "", .layer = "blk.", .whole = kGgufWhole, .per_layer = kSandwichWords, .unused = kGgufUnused};
  return &names;
}

constexpr int32_t kGemma2Pattern = 2;  // the last of so many layers looks at everything
constexpr int32_t kGemma3Pattern = 6;
constexpr double kGemma3Theta = 1000000.0;
constexpr double kGemma3LocalTheta = 10000.0;

// What all of them are, in both formats.
void SetGemma(ModelConfig& config) {
  config.activation = Activation::kGeluTanh;
  config.embedding_scale = std::sqrt(static_cast<double>(config.hidden_size));
}

// `activation_key`: the first model's has another name.
absl::Status ReadCommon(const JsonObject& object, absl::string_view activation_key, ModelConfig& config) {
  config.head_size = 256;  // transformers' defaults, here and below
  config.tied_embeddings = true;
  config.norm_epsilon = 1e-6f;
  config.norm_adds_one = true;
  if (absl::Status read = ReadSizes(object, config); !read.ok()) return read;
  SetGemma(config);
  JsonFields fields(object);
  bool looks_ahead = false;
  fields.Real("rms_norm_eps", config.norm_epsilon);
  fields.Bool("attention_bias", config.qkv_bias);
  config.attention_out_bias = config.qkv_bias;
  fields.Bool("use_bidirectional_attention", looks_ahead);
  if (looks_ahead) {
    fields.Fail(absl::UnimplementedError("key use_bidirectional_attention is true, which is not supported"));
  }
  fields.Fail(ReadActivation(object, activation_key, config));
  return fields.status();
}

// What Gemma 2 added and Gemma 3 kept, which bounds no scores: attn_logit_softcapping is a key of its files too, but
// neither transformers nor llama.cpp uses it. `pattern`: see above.
absl::Status ReadSandwich(const JsonObject& object, int32_t pattern, ModelConfig& config) {
  config.num_kv_heads = 4;
  if (absl::Status read = ReadCommon(object, "hidden_activation", config); !read.ok()) return read;
  config.block = BlockShape::kSandwich;
  double query_scalar = 256;
  int32_t window = 4096;
  JsonFields fields(object);
  fields.Real("query_pre_attn_scalar", query_scalar);
  config.attention_scale = 1.0 / std::sqrt(query_scalar);
  fields.Real("final_logit_softcapping", config.output_softcap);
  if (object.IsNull("final_logit_softcapping")) config.output_softcap = 0;
  ReadWindow(fields, window);
  if (window == 0 && pattern != 1 && object.Find("layer_types") == nullptr) {
    fields.Fail(object.Wrong("sliding_window", "is null, but some layers need one"));
  }
  fields.Fail(ReadLayerTypes(
      object, window, [pattern](int32_t layer) { return (layer + 1) % pattern != 0; }, config));
  return fields.status();
}

absl::Status ReadGemma(const JsonObject& object, ModelConfig& config) {
  config.num_kv_heads = 16;
  config.trained_tokens = 8192;
  if (absl::Status read = ReadCommon(object, "hidden_act", config); !read.ok()) return read;
  const absl::StatusOr<std::optional<std::string>> activation = object.FindString("hidden_act");
  if (!activation.ok()) return activation.status();
  if (*activation == "gelu") config.activation = Activation::kGeluTanh;  // early files mean it
  return ReadRopes(object, RopeWords(), config);
}

absl::Status ReadGemma2(const JsonObject& object, ModelConfig& config) {
  config.trained_tokens = 8192;
  config.attention_softcap = 50.0;
  config.output_softcap = 30.0;
  JsonFields fields(object);
  fields.Real("attn_logit_softcapping", config.attention_softcap);
  if (object.IsNull("attn_logit_softcapping")) config.attention_softcap = 0;
  fields.Fail(ReadSandwich(object, kGemma2Pattern, config));
  if (!fields.status().ok()) return fields.status();
  return ReadRopes(object, RopeWords(), config);
}

Rope RopeOf(double theta) { return {.theta = theta, .scaling = {}, .frequency_divisors = {}}; }

// The windowed layers, if there are any, get frequencies of their own.
void SetLocalRope(Rope rope, ModelConfig& config) {
  if (config.layers.empty()) return;
  config.ropes.push_back(std::move(rope));
  for (LayerView& layer : config.layers) layer.rope = layer.window_tokens > 0 ? 1 : 0;
}

absl::Status ReadGemma3(const JsonObject& object, ModelConfig& config) {
  config.head_norms = true;
  config.trained_tokens = 131072;  // after scaling, whatever its kind
  config.ropes = {RopeOf(kGemma3Theta), RopeOf(kGemma3LocalTheta)};
  int32_t pattern = kGemma3Pattern;
  JsonFields fields(object);
  fields.OptionalSize("sliding_window_pattern", 1, pattern);
  fields.Fail(ReadSandwich(object, pattern, config));
  return fields.status().ok() ? ReadLayerRopes(object, config) : fields.status();
}

// The converter has added the one to the norms already. `exception`: the layers of the one size whose queries are not
// scaled by the head size. `window`: of layers that have one, where the file does not say; 0: none has.
void ReadSandwichGguf(GgufFields& fields, int32_t pattern, int32_t exception, int32_t window, ModelConfig& config) {
  SetGemma(config);
  config.block = BlockShape::kSandwich;
  if (config.num_layers == exception) {
    config.attention_scale = 1.0 / std::sqrt(static_cast<double>(config.hidden_size) / config.num_heads);
  }
  fields.Real("final_logit_softcapping", config.output_softcap);
  fields.OptionalSize("attention.sliding_window", 0, window);
  ReadLayerWindows(window, pattern, fields, config);
}

void ReadGemmaGguf(GgufFields&, const TensorTable&, ModelConfig& config) { SetGemma(config); }

void ReadGemma2Gguf(GgufFields& fields, const TensorTable&, ModelConfig& config) {
  constexpr int32_t kLayersOf27B = 46;
  config.attention_softcap = 50.0;
  config.output_softcap = 30.0;
  fields.Real("attn_logit_softcapping", config.attention_softcap);
  ReadSandwichGguf(fields, kGemma2Pattern, kLayersOf27B, /*window=*/4096, config);
  Rope local = config.ropes.front();
  fields.Real("rope.freq_base_swa", local.theta);
  if (local != config.ropes.front()) SetLocalRope(std::move(local), config);
}

void ReadGemma3Gguf(GgufFields& fields, const TensorTable&, ModelConfig& config) {
  constexpr int32_t kLayersOf27B = 62;
  config.head_norms = true;
  fields.Length("context_length", config.trained_tokens);  // after scaling, as above
  ReadSandwichGguf(fields, kGemma3Pattern, kLayersOf27B, /*window=*/0, config);
  double local_theta = kGemma3LocalTheta;
  fields.Real("rope.freq_base_swa", local_theta);
  SetLocalRope(RopeOf(local_theta), config);
}

}  // namespace

const Family kGemmaFamily = {.name = "gemma",
                             .hugging_face = kGemma,
                             .hugging_face_names = &kNames,
                             .read_hugging_face = ReadGemma,
                             .gguf = "gemma",
                             .gguf_names = LlamaGgufNames,
                             .read_gguf = ReadGemmaGguf};

const Family kGemma2Family = {.name = "gemma2",
                              .hugging_face = kGemma2,
                              .hugging_face_names = &kNames,
                              .read_hugging_face = ReadGemma2,
                              .gguf = "gemma2",
                              .gguf_names = SandwichGgufNames,
                              .read_gguf = ReadGemma2Gguf};

const Family kGemma3Family = {.name = "gemma3",
                              .hugging_face = kGemma3,
                              .hugging_face_names = &kNames,
                              .read_hugging_face = ReadGemma3,
                              .gguf = "gemma3",
                              .gguf_names = SandwichGgufNames,
                              .read_gguf = ReadGemma3Gguf};

}  // namespace perennial
