#include "model/checkpoint/config_fields.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/model/checkpoint/expect_error.h"
#include "tests/model/checkpoint/gguf_writer.h"

namespace perennial {
namespace {

TEST(ConfigFieldsTest, ReadsJsonOverDefaults) {
  const nlohmann::json json = {{"size", 7}, {"real", 0.5}, {"flag", true}, {"text", "word"}, {"none", nullptr}};
  JsonFields fields{JsonObject(json)};
  int32_t size = 0, kept = 3;
  double real = 1.0;
  bool flag = false;
  std::string text;
  fields.Size("size", size);
  fields.OptionalSize("none", 0, kept);
  fields.Real("real", real);
  fields.Bool("flag", flag);
  fields.Text("text", text);
  EXPECT_TRUE(fields.status().ok()) << fields.status();
  EXPECT_EQ(size, 7);
  EXPECT_EQ(kept, 3);
  EXPECT_EQ(real, 0.5);
  EXPECT_TRUE(flag);
  EXPECT_EQ(text, "word");
}

TEST(ConfigFieldsTest, KeepsTheFirstError) {
  const nlohmann::json json = {{"size", 0}, {"flag", 3}};
  JsonFields fields{JsonObject(json)};
  int32_t size = 5;
  bool flag = true;
  fields.Size("size", size);
  fields.Bool("flag", flag);
  ExpectInvalid(fields.status(), "key size is 0; it must be from 1");
  EXPECT_EQ(size, 5);
  EXPECT_TRUE(flag);
  JsonFields missing{JsonObject(json)};
  int64_t tokens = 0;
  missing.Length("tokens", tokens);
  ExpectInvalid(missing.status(), "key tokens is missing");
}

TEST(ConfigFieldsTest, HeadsThatNobodyStatesShareTheWidth) {
  ModelConfig config;
  config.hidden_size = 48;
  config.num_heads = 4;
  SetUnstatedHeads(config);
  EXPECT_EQ(config.num_kv_heads, 4);
  EXPECT_EQ(config.head_size, 12);
  config.num_kv_heads = 2;
  config.head_size = 16;
  SetUnstatedHeads(config);
  EXPECT_EQ(config.num_kv_heads, 2);
  EXPECT_EQ(config.head_size, 16);
}

TEST(ConfigFieldsTest, PutsTheArchitectureBeforeGgufKeys) {
  const std::string bytes = TinyGguf().Build();
  const auto file = ReadGguf(AsBytes(bytes));
  ASSERT_TRUE(file.ok());
  const GgufMetadata metadata(*file);
  GgufFields fields(metadata, "llama");
  int32_t layers = 0;
  float theta = 0;
  fields.Size("block_count", layers);
  fields.Real("rope.freq_base", theta);
  EXPECT_TRUE(fields.status().ok()) << fields.status();
  EXPECT_EQ(layers, 1);
  EXPECT_EQ(theta, 50000.0f);
  fields.Size("nothing", layers);
  ExpectInvalid(fields.status(), "metadata key llama.nothing is missing");
}

}  // namespace
}  // namespace perennial
