#include "tests/model/checkpoint/gguf_writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/check.h"

namespace perennial {

GgufWriter& GgufWriter::Set(const std::string& key, GgufType type, const std::string& raw) {
  Remove(key);
  keys_.push_back({key, Raw(static_cast<uint32_t>(type)) + raw});
  return *this;
}

GgufWriter& GgufWriter::SetStrings(const std::string& key, const std::vector<std::string>& texts) {
  std::string raw;
  for (const std::string& text : texts) raw += String(text);
  return Set(key, GgufType::kArray, Array(GgufType::kString, texts.size(), raw));
}

GgufWriter& GgufWriter::SetInts(const std::string& key, const std::vector<int32_t>& values) {
  std::string raw;
  for (const int32_t value : values) raw += Raw(value);
  return Set(key, GgufType::kArray, Array(GgufType::kInt32, values.size(), raw));
}

GgufWriter& GgufWriter::SetJson(const std::string& key, const std::string& type, const nlohmann::json& value) {
  if (type == "UINT32") return SetUint32(key, value);
  if (type == "FLOAT32") return SetFloat(key, value);
  if (type == "BOOL") return SetBool(key, value);
  if (type == "STRING") return SetString(key, value);
  if (type == "ARRAY STRING") return SetStrings(key, value);
  if (type == "ARRAY INT32") return SetInts(key, value);
  std::string raw;
  if (type == "ARRAY BOOL") {
    for (const bool truth : value) raw += Raw(static_cast<uint8_t>(truth));
    return Set(key, GgufType::kArray, Array(GgufType::kBool, value.size(), raw));
  }
  PERENNIAL_CHECK(type == "ARRAY FLOAT32");
  for (const float number : value) raw += Raw(number);
  return Set(key, GgufType::kArray, Array(GgufType::kFloat32, value.size(), raw));
}

GgufWriter& GgufWriter::Remove(const std::string& key) {
  keys_.erase(std::remove_if(keys_.begin(), keys_.end(), [&](const Key& k) { return k.name == key; }), keys_.end());
  return *this;
}

GgufWriter& GgufWriter::AddTensor(const std::string& name, const std::vector<int64_t>& shape, uint32_t type) {
  // GGML's types 0, 1, 3 and 8 are enough here.
  const uint64_t block_elements = type < 2 ? 1 : 32;
  const uint64_t block_bytes = type == 0 ? 4 : type == 1 ? 2 : type == 3 ? 20 : 34;
  uint64_t elements = 1;
  for (const int64_t size : shape) elements *= static_cast<uint64_t>(size);
  TensorPlan plan;
  plan.name = name;
  plan.type = type;
  plan.dimensions.assign(shape.rbegin(), shape.rend());
  for (uint64_t i = 0; i < elements / block_elements * block_bytes; ++i)
    plan.bytes.push_back(static_cast<char>(i % 50));
  tensors.push_back(plan);
  return *this;
}

GgufWriter::TensorPlan& GgufWriter::Tensor(const std::string& name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const TensorPlan& t) { return t.name == name; });
  PERENNIAL_CHECK(found != tensors.end());
  return *found;
}

GgufWriter& GgufWriter::RemoveTensor(const std::string& name) {
  tensors.erase(std::remove_if(tensors.begin(), tensors.end(), [&](const TensorPlan& t) { return t.name == name; }),
                tensors.end());
  return *this;
}

std::string GgufWriter::Build() const {
  std::string header = "GGUF" + Raw(version) + Raw<uint64_t>(num_tensors.value_or(tensors.size())) +
                       Raw<uint64_t>(num_keys.value_or(keys_.size()));
  for (const Key& key : keys_) header += String(key.name) + key.value;
  std::string body;
  for (const TensorPlan& tensor : tensors) {
    while (body.size() % alignment != 0) body.push_back('\0');
    header += String(tensor.name) + Raw(static_cast<uint32_t>(tensor.dimensions.size()));
    for (const uint64_t size : tensor.dimensions) header += Raw(size);
    header += Raw(tensor.type) + Raw<uint64_t>(tensor.offset.value_or(body.size()));
    body += tensor.bytes;
  }
  if (!body.empty()) {
    while (header.size() % alignment != 0) header.push_back('\0');
  }
  return header + body;
}

GgufWriter TinyGguf() {
  GgufWriter writer;
  writer.SetString("general.architecture", "llama")
      .SetString("general.name", "Tiny")
      .SetUint32("llama.block_count", 1)
      .SetUint32("llama.embedding_length", 32)
      .SetUint32("llama.feed_forward_length", 64)
      .SetUint32("llama.attention.head_count", 2)
      .SetUint32("llama.attention.head_count_kv", 1)
      .SetUint32("llama.context_length", 128)
      .SetFloat("llama.attention.layer_norm_rms_epsilon", 1e-5f)
      .SetFloat("llama.rope.freq_base", 50000.0f)
      .SetString("tokenizer.ggml.model", "gpt2")
      .SetString("tokenizer.ggml.pre", "smollm")
      .SetStrings("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "a"})
      .SetInts("tokenizer.ggml.token_type", {2, 3, 3, 1})
      .SetStrings("tokenizer.ggml.merges", {"a a"})
      .SetUint32("tokenizer.ggml.bos_token_id", 1)
      .SetUint32("tokenizer.ggml.eos_token_id", 2)
      .SetString("tokenizer.chat_template", "{{ messages }}");
  writer.AddTensor("token_embd.weight", {4, 32})
      .AddTensor("blk.0.attn_norm.weight", {32})
      .AddTensor("blk.0.attn_q.weight", {32, 32})
      .AddTensor("blk.0.attn_k.weight", {16, 32})
      .AddTensor("blk.0.attn_v.weight", {16, 32})
      .AddTensor("blk.0.attn_output.weight", {32, 32})
      .AddTensor("blk.0.ffn_norm.weight", {32})
      .AddTensor("blk.0.ffn_gate.weight", {64, 32})
      .AddTensor("blk.0.ffn_up.weight", {64, 32})
      .AddTensor("blk.0.ffn_down.weight", {32, 64})
      .AddTensor("output_norm.weight", {32});
  return writer;
}

}  // namespace perennial
