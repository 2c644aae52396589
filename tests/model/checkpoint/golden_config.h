// The configurations of tests/golden/families: config.json as transformers writes it, and as models are published.

#ifndef PERENNIAL_TESTS_MODEL_CHECKPOINT_GOLDEN_CONFIG_H_
#define PERENNIAL_TESTS_MODEL_CHECKPOINT_GOLDEN_CONFIG_H_

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "model/checkpoint/hugging_face_config.h"
#include "tests/model/checkpoint/expect_error.h"

namespace perennial {

// The case's file. `name`: "falcon_7b".
inline nlohmann::json GoldenFamily(const std::string& name) {
  std::ifstream stream(std::string(PERENNIAL_SOURCE_DIR "/tests/golden/families/logits/") + name + ".json");
  return nlohmann::json::parse(stream);
}

// What we read of a case's configuration. `member`: "config" or "published"; `patch`: changes it (RFC 7386).
inline absl::StatusOr<ModelConfig> ReadGoldenConfig(const std::string& name, const nlohmann::json& patch = {},
                                                    const std::string& member = "config") {
  nlohmann::json config = GoldenFamily(name)[member];
  if (!patch.is_null()) config.merge_patch(patch);
  return ReadHuggingFaceConfig(JsonObject(config));
}

// Both forms of a configuration must mean the same.
inline void ExpectPublishedFormReadsTheSame(const std::string& name) {
  const auto ours = ReadGoldenConfig(name);
  const auto published = ReadGoldenConfig(name, {}, "published");
  ASSERT_TRUE(ours.ok()) << name << ": " << ours.status();
  ASSERT_TRUE(published.ok()) << name << ": " << published.status();
  EXPECT_EQ(ours->rotary_size, published->rotary_size) << name;
  EXPECT_EQ(ours->ropes, published->ropes) << name;
  EXPECT_EQ(ours->layers, published->layers) << name;
  EXPECT_EQ(ours->alibi_slopes, published->alibi_slopes) << name;
  EXPECT_EQ(ours->block, published->block) << name;
  EXPECT_EQ(ours->activation, published->activation) << name;
  EXPECT_EQ(ours->norm_epsilon, published->norm_epsilon) << name;
  EXPECT_EQ(ours->qkv_bias, published->qkv_bias) << name;
  EXPECT_EQ(ours->tied_embeddings, published->tied_embeddings) << name;
  EXPECT_EQ(ours->num_kv_heads, published->num_kv_heads) << name;
  EXPECT_EQ(ours->head_size, published->head_size) << name;
  EXPECT_EQ(ours->feed_forward_size, published->feed_forward_size) << name;
  EXPECT_EQ(ours->trained_tokens, published->trained_tokens) << name;
  EXPECT_EQ(ours->attention_scale, published->attention_scale) << name;
  EXPECT_EQ(ours->attention_softcap, published->attention_softcap) << name;
  EXPECT_EQ(ours->output_softcap, published->output_softcap) << name;
}

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_CHECKPOINT_GOLDEN_CONFIG_H_
