#include "model/checkpoint/hugging_face_config.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/checkpoint_contents.h"
#include "model/checkpoint/config_fields.h"
#include "model/checkpoint/error_text.h"

namespace perennial {
namespace {

using nlohmann::json;

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();

absl::StatusOr<std::string> ReadArchitecture(const JsonObject& object) {
  std::string name;
  const json* const architectures = object.Find("architectures");
  if (architectures != nullptr) {
    if (!architectures->is_array() || architectures->empty() || !architectures->front().is_string()) {
      return object.Wrong("architectures", "is not a list of names");
    }
    name = architectures->front().get_ref<const std::string&>();
  } else {
    const absl::StatusOr<std::optional<std::string>> type = object.FindString("model_type");
    if (!type.ok()) return type.status();
    if (!type->has_value()) return object.Wrong("architectures", "is missing");
    name = **type;
  }
  return name;
}

// Tokens, and what we ourselves add to a configuration.
absl::Status ReadTokens(const JsonObject& object, ModelConfig& config) {
  for (const auto& [key, token] :
       {std::pair("bos_token_id", &config.bos_token), std::pair("sink_token_id", &config.sink_token)}) {
    const absl::StatusOr<std::optional<int64_t>> id = object.FindInteger(key, 0, config.vocab_size - 1);
    if (!id.ok()) return id.status();
    if (id->has_value()) *token = static_cast<TokenId>(**id);
  }
  const absl::StatusOr<std::vector<int64_t>> ends = object.FindIntegers("eos_token_id", 0, config.vocab_size - 1);
  if (!ends.ok()) return ends.status();
  for (const int64_t token : *ends) AddEndToken(static_cast<TokenId>(token), config);
  JsonFields fields(object);
  fields.Bool("zero_sink", config.zero_sink);
  return fields.status();
}

}  // namespace

absl::StatusOr<const Family*> HuggingFaceFamily(const JsonObject& object) {
  const absl::StatusOr<std::string> architecture = ReadArchitecture(object);
  if (!architecture.ok()) return architecture.status();
  return FindHuggingFaceFamily(*architecture);
}

absl::StatusOr<ModelConfig> ReadHuggingFaceConfig(const JsonObject& object) {
  const absl::StatusOr<const Family*> family = HuggingFaceFamily(object);
  if (!family.ok()) return family.status();
  if (object.Find("quantization_config") != nullptr) {
    return absl::UnimplementedError(
        "key quantization_config: quantised weights are not supported in this format; use a GGUF file");
  }
  ModelConfig config;
  config.architecture = std::string((*family)->name);
  JsonFields fields(object);
  fields.Text("_name_or_path", config.name);
  if (!fields.status().ok()) return fields.status();
  if (absl::Status read = (*family)->read_hugging_face(object, config); !read.ok()) return read;
  if (absl::Status read = ReadTokens(object, config); !read.ok()) return read;
  return config;
}

absl::StatusOr<GenerationDefaults> ReadHuggingFaceGeneration(const JsonObject& object, int32_t vocab_size,
                                                             std::vector<TokenId>& end_tokens) {
  GenerationDefaults generation;
  for (const auto& [key, value] :
       {std::pair("temperature", &generation.temperature), std::pair("top_p", &generation.top_p),
        std::pair("min_p", &generation.min_p), std::pair("repetition_penalty", &generation.repetition_penalty)}) {
    const absl::StatusOr<std::optional<double>> number = object.FindReal(key);
    if (!number.ok()) return number.status();
    if (number->has_value()) *value = static_cast<float>(**number);
  }
  for (const auto& [key, value] :
       {std::pair("top_k", &generation.top_k), std::pair("max_new_tokens", &generation.max_new_tokens)}) {
    const absl::StatusOr<std::optional<int64_t>> number = object.FindInteger(key, 0, kMaxInt32);
    if (!number.ok()) return number.status();
    if (number->has_value()) *value = static_cast<int32_t>(**number);
  }
  const absl::StatusOr<std::optional<bool>> do_sample = object.FindBool("do_sample");
  if (!do_sample.ok()) return do_sample.status();
  generation.do_sample = *do_sample;
  const absl::StatusOr<std::vector<int64_t>> ends = object.FindIntegers("eos_token_id", 0, vocab_size - 1);
  if (!ends.ok()) return ends.status();
  for (const int64_t token : *ends) end_tokens.push_back(static_cast<TokenId>(token));
  return generation;
}

}  // namespace perennial
