// Writes small GGUF files for tests, valid ones and ones with planted errors. Shares no code with the reader.

#ifndef PERENNIAL_TESTS_MODEL_CHECKPOINT_GGUF_WRITER_H_
#define PERENNIAL_TESTS_MODEL_CHECKPOINT_GGUF_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "model/checkpoint/gguf_reader.h"
#include "model/checkpoint/tensor.h"

namespace perennial {

// The bytes of a number as they lie in memory.
template <typename T>
std::string Raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}

inline absl::Span<const std::byte> AsBytes(const std::string& text) {
  return absl::Span<const std::byte>(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

class GgufWriter {
 public:
  struct TensorPlan {
    std::string name;
    std::vector<uint64_t> dimensions;  // innermost first, as in the file
    uint32_t type = 0;                 // GGML's number
    std::string bytes;
    std::optional<uint64_t> offset;  // planted; else where the bytes really are
  };

  // Adds or replaces a key. `raw` is the value after its type.
  GgufWriter& Set(const std::string& key, GgufType type, const std::string& raw);
  GgufWriter& SetUint32(const std::string& key, uint32_t value) { return Set(key, GgufType::kUint32, Raw(value)); }
  GgufWriter& SetFloat(const std::string& key, float value) { return Set(key, GgufType::kFloat32, Raw(value)); }
  GgufWriter& SetBool(const std::string& key, bool value) { return Set(key, GgufType::kBool, Raw(value)); }
  GgufWriter& SetString(const std::string& key, const std::string& text) {
    return Set(key, GgufType::kString, String(text));
  }
  GgufWriter& SetStrings(const std::string& key, const std::vector<std::string>& texts);
  GgufWriter& SetInts(const std::string& key, const std::vector<int32_t>& values);
  // A value as tests/golden/families/gguf describes it: `type` is "UINT32", "ARRAY STRING", …
  GgufWriter& SetJson(const std::string& key, const std::string& type, const nlohmann::json& value);
  GgufWriter& Remove(const std::string& key);

  // Adds a tensor of row-major `shape` whose bytes count up. `type` is GGML's number: 0 is F32.
  GgufWriter& AddTensor(const std::string& name, const std::vector<int64_t>& shape, uint32_t type = 0);
  TensorPlan& Tensor(const std::string& name);  // REQUIRES: it was added
  GgufWriter& RemoveTensor(const std::string& name);

  std::string Build() const;

  // A length and the text.
  static std::string String(const std::string& text) { return Raw<uint64_t>(text.size()) + text; }
  // Element type, size and the elements.
  static std::string Array(GgufType type, uint64_t size, const std::string& raw) {
    return Raw(static_cast<uint32_t>(type)) + Raw(size) + raw;
  }

  uint32_t version = 3;
  uint64_t alignment = 32;              // of the layout; the key is set separately
  std::optional<uint64_t> num_tensors;  // planted counts
  std::optional<uint64_t> num_keys;
  std::vector<TensorPlan> tensors;

 private:
  struct Key {
    std::string name;
    std::string value;  // with its type
  };
  std::vector<Key> keys_;
};

// A complete network of the Llama family: one layer of width 32, two heads of 16 over one key/value head, four tokens
// ("<unk>", "<s>", "</s>", "a"), F32, tied embedding.
GgufWriter TinyGguf();

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_CHECKPOINT_GGUF_WRITER_H_
