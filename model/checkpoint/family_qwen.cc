// Qwen 2 and 2.5: Llama with biases on queries, keys and values. Qwen 3: none of them, but norms on queries and keys.

#include "model/checkpoint/family.h"
#include "model/checkpoint/gguf_words.h"
#include "model/checkpoint/hugging_face_fields.h"
#include "model/checkpoint/hugging_face_rope.h"

namespace perennial {
namespace {

constexpr absl::string_view kUnused[] = {".rotary_emb.inv_freq"};
constexpr TensorNames kNames = {.unused = kUnused};

constexpr absl::string_view kQwen2[] = {"Qwen2ForCausalLM", "qwen2"};
constexpr absl::string_view kQwen3[] = {"Qwen3ForCausalLM", "qwen3"};

absl::Status ReadCommon(const JsonObject& object, ModelConfig& config) {
  config.num_kv_heads = 32;  // transformers' defaults, here and below
  config.trained_tokens = 32768;
  if (absl::Status read = ReadSizes(object, config); !read.ok()) return read;
  config.norm_epsilon = 1e-6f;
  bool slides = false;
  int32_t window = 4096;
  int32_t first_sliding = 28;
  JsonFields fields(object);
  fields.Real("rms_norm_eps", config.norm_epsilon);
  fields.Fail(ReadActivation(object, "hidden_act", config));
  fields.Bool("use_sliding_window", slides);
  if (slides) ReadWindow(fields, window);
  fields.OptionalSize("max_window_layers", 0, first_sliding);
  const auto is_late = [first_sliding](int32_t layer) { return layer >= first_sliding; };
  fields.Fail(ReadLayerTypes(object, slides ? window : 0, is_late, config));
  fields.Fail(ReadRopes(object, RopeWords(), config));
  return fields.status();
}

absl::Status ReadQwen2(const JsonObject& object, ModelConfig& config) {
  config.qkv_bias = true;
  return ReadCommon(object, config);
}

absl::Status ReadQwen3(const JsonObject& object, ModelConfig& config) {
  config.head_size = 128;  // transformers' default, whatever the width
  config.head_norms = true;
  JsonFields fields(object);
  fields.Bool("attention_bias", config.qkv_bias);
  config.attention_out_bias = config.qkv_bias;
  if (!fields.status().ok()) return fields.status();
  return ReadCommon(object, config);
}

void ReadQwen2Gguf(GgufFields&, const TensorTable&, ModelConfig&) {}

void ReadQwen3Gguf(GgufFields&, const TensorTable&, ModelConfig& config) { config.head_norms = true; }

}  // namespace

const Family kQwen2Family = {.name = "qwen2",
                             .hugging_face = kQwen2,
                             .hugging_face_names = &kNames,
                             .read_hugging_face = ReadQwen2,
                             .gguf = "qwen2",
                             .gguf_names = LlamaGgufNames,
                             .read_gguf = ReadQwen2Gguf};

const Family kQwen3Family = {.name = "qwen3",
                             .hugging_face = kQwen3,
                             .hugging_face_names = &kNames,
                             .read_hugging_face = ReadQwen3,
                             .gguf = "qwen3",
                             .gguf_names = LlamaGgufNames,
                             .read_gguf = ReadQwen3Gguf};

}  // namespace perennial
