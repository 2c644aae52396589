#include "model/checkpoint/hugging_face_checkpoint.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/model/checkpoint/expect_error.h"
#include "tests/model/checkpoint/tiny_hugging_face.h"

namespace perennial {
namespace {

absl::Status ReadStatus(TinyHuggingFace& tiny) { return ReadHuggingFaceContents(tiny.Files()).status(); }

// Spreads the tensors over two files with an index.
void Shard(TinyHuggingFace& tiny) {
  for (const auto& [name, tensor] : tiny.tensors) {
    const std::string file = name < "model.layers.0.self" ? "a.safetensors" : "b.safetensors";
    tiny.shards[file][name] = tensor;
    tiny.index["weight_map"][name] = file;
  }
}

TEST(HuggingFaceCheckpointTest, ReadsADirectory) {
  TinyHuggingFace tiny;
  const std::string directory = tiny.Write("tiny-model");
  const auto checkpoint = Checkpoint::Open(directory);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ((*checkpoint)->config().name, "tiny-model");
  EXPECT_EQ((*checkpoint)->path(), directory);
  EXPECT_EQ((*checkpoint)->bos_text(), "<s>");
  EXPECT_EQ((*checkpoint)->eos_text(), "</s>");
  EXPECT_EQ((*checkpoint)->chat_template(), "{{ x }}");
  EXPECT_EQ(std::get<TokenizerJson>((*checkpoint)->tokenizer()).json, tiny.tokenizer.dump());
  EXPECT_TRUE((*checkpoint)->Tensor("lm_head.weight", {6, 4}).ok());
  EXPECT_TRUE((*checkpoint)->Tensor("layers.0.self_attn.k_proj.weight", {2, 4}).ok());
  ExpectError((*checkpoint)->Tensor("layers.1.self_attn.k_proj.weight", {2, 4}).status(), absl::StatusCode::kNotFound,
              directory + ": tensor");
}

TEST(HuggingFaceCheckpointTest, ReadsShardsThroughTheirIndex) {
  TinyHuggingFace tiny;
  Shard(tiny);
  const auto checkpoint = Checkpoint::Open(tiny.Write("sharded"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_TRUE((*checkpoint)->Tensor("layers.0.self_attn.q_proj.weight", {4, 4}).ok());
  EXPECT_TRUE((*checkpoint)->Tensor("embed_tokens.weight", {6, 4}).ok());
}

TEST(HuggingFaceCheckpointTest, FollowsSymbolicLinksOfACache) {
  TinyHuggingFace tiny;
  const std::filesystem::path blobs = tiny.Write("blobs");
  const std::filesystem::path snapshot = blobs.parent_path() / "snapshot";
  std::filesystem::remove_all(snapshot);
  std::filesystem::create_directories(snapshot);
  for (const auto& entry : std::filesystem::directory_iterator(blobs)) {
    std::filesystem::create_symlink(entry.path(), snapshot / entry.path().filename());
  }
  EXPECT_TRUE(Checkpoint::Open(snapshot.string()).ok());
}

TEST(HuggingFaceCheckpointTest, NamesMissingFiles) {
  TinyHuggingFace tiny;
  const std::filesystem::path directory = tiny.Write("incomplete");
  std::filesystem::remove(directory / "model.safetensors");
  ExpectError(Checkpoint::Open(directory.string()).status(), absl::StatusCode::kNotFound, "no weights");
  std::filesystem::remove(directory / "tokenizer.json");
  ExpectError(Checkpoint::Open(directory.string()).status(), absl::StatusCode::kNotFound, "tokenizer.json is missing");
  std::filesystem::remove(directory / "config.json");
  ExpectError(Checkpoint::Open(directory.string()).status(), absl::StatusCode::kNotFound, "has no config.json");

  TinyHuggingFace sharded;
  Shard(sharded);
  const std::filesystem::path shards = sharded.Write("lost-shard");
  std::filesystem::remove(shards / "b.safetensors");
  ExpectError(Checkpoint::Open(shards.string()).status(), absl::StatusCode::kNotFound,
              "names b.safetensors, which is missing");
}

TEST(HuggingFaceCheckpointTest, NamesTheFileOfABrokenShard) {
  TinyHuggingFace tiny;
  Shard(tiny);
  const std::filesystem::path directory = tiny.Write("broken-shard");
  std::filesystem::resize_file(directory / "b.safetensors",
                               std::filesystem::file_size(directory / "b.safetensors") - 1);
  ExpectInvalid(Checkpoint::Open(directory.string()).status(), directory.string() + ": b.safetensors: tensor");
}

TEST(HuggingFaceCheckpointTest, RefusesAnIndexThatLies) {
  TinyHuggingFace tiny;
  Shard(tiny);
  tiny.index["weight_map"]["lm_head.weight"] = "b.safetensors";
  ExpectInvalid(ReadStatus(tiny), "model.safetensors.index.json: weight_map promises tensor \"lm_head.weight\"");
  tiny.index["weight_map"]["lm_head.weight"] = "../b.safetensors";
  ExpectInvalid(Checkpoint::Open(tiny.Write("escape")).status(),
                "model.safetensors.index.json: weight_map gives tensor");
}

TEST(HuggingFaceCheckpointTest, RefusesATensorInTwoShards) {
  TinyHuggingFace tiny;
  Shard(tiny);
  tiny.shards["b.safetensors"]["lm_head.weight"] = {.dtype = "F32", .shape = {6, 4}};
  ExpectInvalid(ReadStatus(tiny), "both mean \"lm_head.weight\"");
}

TEST(HuggingFaceCheckpointTest, ChecksTensorsAgainstTheConfiguration) {
  TinyHuggingFace missing;
  missing.tensors.erase("model.norm.weight");
  ExpectError(ReadStatus(missing), absl::StatusCode::kNotFound, "tensor \"norm.weight\" is missing");
  TinyHuggingFace shape;
  shape.tensors["model.norm.weight"].shape = {5};
  ExpectInvalid(ReadStatus(shape), "\"model.norm.weight\" has shape [5]; the configuration needs [4]");
  TinyHuggingFace surplus;
  surplus.tensors["model.layers.0.self_attn.q_norm.weight"] = {.dtype = "F32", .shape = {2}};
  ExpectUnimplemented(ReadStatus(surplus), "q_norm.weight\" is not part of a llama network");
}

TEST(HuggingFaceCheckpointTest, IgnoresSavedRopeFrequenciesAndTiedCopies) {
  TinyHuggingFace tiny;
  tiny.config["tie_word_embeddings"] = true;
  tiny.tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {.dtype = "F32", .shape = {1}};
  EXPECT_TRUE(ReadStatus(tiny).ok()) << ReadStatus(tiny);
  tiny.tensors.erase("lm_head.weight");
  EXPECT_TRUE(ReadStatus(tiny).ok()) << ReadStatus(tiny);
}

TEST(HuggingFaceCheckpointTest, MergesEndTokensFromEveryFile) {
  TinyHuggingFace tiny;
  tiny.generation_config = {{"eos_token_id", {1, 2}}};
  tiny.chat_template = "{{ y }}<|im_end|>";
  const auto contents = ReadHuggingFaceContents(tiny.Files());
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ(contents->config.end_tokens, (std::vector<TokenId>{2, 1, 3}));
  EXPECT_EQ(contents->chat_template, "{{ y }}<|im_end|>");  // the file goes before the setting
}

TEST(HuggingFaceCheckpointTest, FindsSpecialTokensThatTheConfigurationDoesNotName) {
  TinyHuggingFace tiny;
  tiny.config["bos_token_id"] = nullptr;
  tiny.config["eos_token_id"] = nullptr;
  const auto contents = ReadHuggingFaceContents(tiny.Files());
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ(contents->config.bos_token, 0);
  EXPECT_EQ(contents->config.end_tokens, (std::vector<TokenId>{2}));
  tiny.tokenizer_config["eos_token"] = nullptr;
  ExpectInvalid(ReadStatus(tiny), "no other file names a token that ends a reply");
}

TEST(HuggingFaceCheckpointTest, AddsBosAsTheSettingsOrTheTokenizerSay) {
  const auto adds = [](TinyHuggingFace& tiny) {
    return std::get<TokenizerJson>(ReadHuggingFaceContents(tiny.Files())->tokenizer).add_bos;
  };
  TinyHuggingFace tiny;
  EXPECT_FALSE(adds(tiny));
  tiny.tokenizer["post_processor"]["single"][0]["SpecialToken"]["id"] = "<s>";
  EXPECT_TRUE(adds(tiny));
  tiny.tokenizer_config["add_bos_token"] = false;
  EXPECT_FALSE(adds(tiny));
}

TEST(HuggingFaceCheckpointTest, NamesTheFileOfBadJson) {
  TinyHuggingFace tiny;
  HuggingFaceFiles files = tiny.Files();
  files.config = "{";
  ExpectInvalid(ReadHuggingFaceContents(files).status(), "config.json: is not valid JSON");
  files = tiny.Files();
  files.tokenizer = "[]";
  ExpectInvalid(ReadHuggingFaceContents(files).status(), "tokenizer.json: is not a JSON object");
  files = tiny.Files();
  files.tokenizer_config = "x";
  ExpectInvalid(ReadHuggingFaceContents(files).status(), "tokenizer_config.json: is not valid JSON");
  files = tiny.Files();
  files.generation_config = "x";
  ExpectInvalid(ReadHuggingFaceContents(files).status(), "generation_config.json: is not valid JSON");
}

}  // namespace
}  // namespace perennial
