// A small Hugging Face directory for tests, in memory or on disk. Shares no code with the readers.

#ifndef PERENNIAL_TESTS_MODEL_CHECKPOINT_TINY_HUGGING_FACE_H_
#define PERENNIAL_TESTS_MODEL_CHECKPOINT_TINY_HUGGING_FACE_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/checkpoint/hugging_face_checkpoint.h"

namespace perennial {

// A tensor for a safetensors file: bytes that count up.
struct TinyTensor {
  std::string dtype = "F32";
  std::vector<int64_t> shape;
};

// The safetensors format; a header given as text is taken as it is.
std::string SafetensorsBytes(const std::map<std::string, TinyTensor>& tensors);
std::string SafetensorsBytes(const std::string& header, size_t num_bytes);

// Its files. Start from a complete one (one layer of width 4, two heads over one key/value head, six tokens), change
// members, then use Files() or Write().
struct TinyHuggingFace {
  TinyHuggingFace();

  // Views the members, which must outlive the result. Weights come from `tensors`, as one file, unless `shards` has
  // any.
  HuggingFaceFiles Files();
  // Writes everything into a new directory under the test's temporary one and returns its path.
  std::string Write(const std::string& name);

  nlohmann::json config;
  nlohmann::json tokenizer;
  nlohmann::json tokenizer_config;
  nlohmann::json generation_config;  // null: no such file
  std::string chat_template;         // empty: no such file
  nlohmann::json index;              // null: no such file
  std::map<std::string, TinyTensor> tensors;
  std::map<std::string, std::map<std::string, TinyTensor>> shards;  // file name → tensors

 private:
  std::vector<std::string> kept_;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_CHECKPOINT_TINY_HUGGING_FACE_H_
