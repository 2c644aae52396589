// Llama 2 and 3, SmolLM2, TinyLlama … and Mistral, which is Llama with a sliding window in every layer. What a
// ModelConfig says by default is this family.

#include "model/checkpoint/family.h"
#include "model/checkpoint/gguf_words.h"
#include "model/checkpoint/hugging_face_fields.h"
#include "model/checkpoint/hugging_face_rope.h"

namespace perennial {
namespace {

// RoPE's frequencies, which old versions of transformers saved: they follow from the configuration.
constexpr absl::string_view kUnused[] = {".rotary_emb.inv_freq"};
constexpr TensorNames kNames = {.unused = kUnused};

constexpr absl::string_view kLlama[] = {"LlamaForCausalLM", "llama"};
constexpr absl::string_view kMistral[] = {"MistralForCausalLM", "mistral"};

absl::Status ReadCommon(const JsonObject& object, ModelConfig& config) {
  if (absl::Status read = ReadSizes(object, config); !read.ok()) return read;
  config.norm_epsilon = 1e-6f;
  JsonFields fields(object);
  fields.Real("rms_norm_eps", config.norm_epsilon);
  fields.Fail(ReadActivation(object, "hidden_act", config));
  return fields.status();
}

absl::Status ReadLlama(const JsonObject& object, ModelConfig& config) {
  config.trained_tokens = 2048;  // transformers' defaults, here and below
  if (absl::Status read = ReadCommon(object, config); !read.ok()) return read;
  JsonFields fields(object);
  fields.Bool("attention_bias", config.qkv_bias);
  fields.Bool("mlp_bias", config.feed_forward_bias);
  config.attention_out_bias = config.qkv_bias;
  fields.Fail(ReadLayerTypes(
      object, 0, [](int32_t) { return false; }, config));
  fields.Fail(ReadRopes(object, RopeWords(), config));
  return fields.status();
}

absl::Status ReadMistral(const JsonObject& object, ModelConfig& config) {
  config.num_kv_heads = 8;
  config.trained_tokens = 131072;
  if (absl::Status read = ReadCommon(object, config); !read.ok()) return read;
  JsonFields fields(object);
  int32_t window = 4096;
  ReadWindow(fields, window);
  fields.Fail(ReadLayerTypes(
      object, window, [](int32_t) { return true; }, config));
  fields.Fail(ReadRopes(object, RopeWords(), config));
  return fields.status();
}

// Mistral's files call themselves llama too.
void ReadGguf(GgufFields& fields, const TensorTable&, ModelConfig& config) {
  config.rope_layout = RopeLayout::kInterleaved;
  int32_t window = 0;
  fields.OptionalSize("attention.sliding_window", 0, window);
  SetLayerWindows(
      window, [](int32_t) { return true; }, config);
}

}  // namespace

const Family kLlamaFamily = {.name = "llama",
                             .hugging_face = kLlama,
                             .hugging_face_names = &kNames,
                             .read_hugging_face = ReadLlama,
                             .gguf = "llama",
                             .gguf_names = LlamaGgufNames,
                             .read_gguf = ReadGguf};

const Family kMistralFamily = {
    .name = "mistral", .hugging_face = kMistral, .hugging_face_names = &kNames, .read_hugging_face = ReadMistral};

}  // namespace perennial
