#include "tests/model/checkpoint/tiny_hugging_face.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <list>

#include "tests/model/checkpoint/gguf_writer.h"

namespace perennial {

using nlohmann::json;

std::string SafetensorsBytes(const std::string& header, size_t num_bytes) {
  std::string file = Raw<uint64_t>(header.size()) + header;
  for (size_t i = 0; i < num_bytes; ++i) file.push_back(static_cast<char>(i % 60));
  return file;
}

std::string SafetensorsBytes(const std::map<std::string, TinyTensor>& tensors) {
  json header = {{"__metadata__", {{"format", "pt"}}}};
  size_t end = 0;
  for (const auto& [name, tensor] : tensors) {
    const size_t begin = end;
    size_t size = tensor.dtype == "F32" ? 4 : 2;
    for (const int64_t length : tensor.shape) size *= static_cast<size_t>(length);
    end += size;
    header[name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
  }
  return SafetensorsBytes(header.dump(), end);
}

TinyHuggingFace::TinyHuggingFace() {
  config = {{"architectures", {"LlamaForCausalLM"}},
            {"vocab_size", 6},
            {"hidden_size", 4},
            {"intermediate_size", 3},
            {"num_hidden_layers", 1},
            {"num_attention_heads", 2},
            {"num_key_value_heads", 1},
            {"hidden_act", "silu"},
            {"max_position_embeddings", 64},
            {"rms_norm_eps", 1e-5},
            {"bos_token_id", 0},
            {"eos_token_id", 2}};
  tokenizer = json::parse(R"({
      "added_tokens": [{"id": 0, "content": "<s>", "special": true}, {"id": 2, "content": "</s>"},
                       {"id": 3, "content": "<|im_end|>"}],
      "model": {"type": "BPE", "vocab": {"a": 1}, "merges": []}})");
  tokenizer_config = {{"bos_token", "<s>"}, {"eos_token", {{"content", "</s>"}}}, {"chat_template", "{{ x }}"}};
  for (const auto& [name, shape] :
       std::map<std::string, std::vector<int64_t>>{{"model.embed_tokens.weight", {6, 4}},
                                                   {"model.layers.0.input_layernorm.weight", {4}},
                                                   {"model.layers.0.mlp.down_proj.weight", {4, 3}},
                                                   {"model.layers.0.mlp.gate_proj.weight", {3, 4}},
                                                   {"model.layers.0.mlp.up_proj.weight", {3, 4}},
                                                   {"model.layers.0.post_attention_layernorm.weight", {4}},
                                                   {"model.layers.0.self_attn.k_proj.weight", {2, 4}},
                                                   {"model.layers.0.self_attn.o_proj.weight", {4, 4}},
                                                   {"model.layers.0.self_attn.q_proj.weight", {4, 4}},
                                                   {"model.layers.0.self_attn.v_proj.weight", {2, 4}},
                                                   {"model.norm.weight", {4}},
                                                   {"lm_head.weight", {6, 4}}}) {
    tensors[name] = {.dtype = "F32", .shape = shape};
  }
}

HuggingFaceFiles TinyHuggingFace::Files() {
  kept_.clear();
  kept_.reserve(5 + shards.size() + 1);  // views into it must stay
  const auto keep = [this](std::string text) -> const std::string& { return kept_.emplace_back(std::move(text)); };
  HuggingFaceFiles files;
  files.config = keep(config.dump());
  files.tokenizer = keep(tokenizer.dump());
  files.tokenizer_config = keep(tokenizer_config.dump());
  if (!generation_config.is_null()) files.generation_config = keep(generation_config.dump());
  if (!index.is_null()) files.index = keep(index.dump());
  files.chat_template = chat_template;
  if (shards.empty()) {
    files.weights.push_back({.file_name = "model.safetensors", .bytes = AsBytes(keep(SafetensorsBytes(tensors)))});
  }
  for (const auto& [name, shard] : shards) {
    files.weights.push_back({.file_name = name, .bytes = AsBytes(keep(SafetensorsBytes(shard)))});
  }
  return files;
}

std::string TinyHuggingFace::Write(const std::string& name) {
  const std::filesystem::path directory = std::filesystem::path(testing::TempDir()) / name;
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  const auto write = [&directory](const std::string& file, const std::string& text) {
    std::ofstream(directory / file, std::ios::binary) << text;
  };
  write("config.json", config.dump());
  write("tokenizer.json", tokenizer.dump());
  write("tokenizer_config.json", tokenizer_config.dump());
  if (!generation_config.is_null()) write("generation_config.json", generation_config.dump());
  if (!chat_template.empty()) write("chat_template.jinja", chat_template);
  if (!index.is_null()) write("model.safetensors.index.json", index.dump());
  if (shards.empty() && !tensors.empty()) write("model.safetensors", SafetensorsBytes(tensors));
  for (const auto& [file, shard] : shards) write(file, SafetensorsBytes(shard));
  return directory.string();
}

}  // namespace perennial
