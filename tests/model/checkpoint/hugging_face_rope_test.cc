#include "model/checkpoint/hugging_face_rope.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/model/checkpoint/expect_error.h"

namespace perennial {
namespace {

using nlohmann::json;

ModelConfig WithHeads() {
  ModelConfig config;
  config.head_size = 16;
  config.trained_tokens = 64;
  return config;
}

TEST(HuggingFaceRopeTest, ReadsMembersOfTheirOwnAndAnObject) {
  ModelConfig config = WithHeads();
  const json old = {{"base", 3e4}, {"part", 0.5}, {"rope_scaling", {{"type", "linear"}, {"factor", 2}}}};
  ASSERT_TRUE(ReadRopes(JsonObject(old), {.theta = "base", .rotary_part = "part"}, config).ok());
  EXPECT_EQ(config.ropes[0].theta, 3e4);
  EXPECT_EQ(config.ropes[0].scaling.factor, 2.0);
  EXPECT_EQ(config.rotary_size, 8);
  EXPECT_EQ(config.trained_tokens, 128);
  ModelConfig newer = WithHeads();
  const json parameters = {{"rope_scaling", json::object()}, {"rope_parameters", {{"rope_theta", 5e5}}}};
  ASSERT_TRUE(ReadRopes(JsonObject(parameters), RopeWords(), newer).ok());
  EXPECT_EQ(newer.ropes[0].theta, 5e5);
  EXPECT_EQ(newer.rotary_size, 16);
}

TEST(HuggingFaceRopeTest, AFamilyWhoseHeadsRotateWholeTakesNoPart) {
  ModelConfig config = WithHeads();
  for (const json& object : {json{{"partial_rotary_factor", 0.5}},
                             json{{"rope_parameters", {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}}}}}) {
    ExpectUnimplemented(ReadRopes(JsonObject(object), RopeWords(), config),
                        "partial_rotary_factor is 0.5; in this architecture whole heads rotate");
  }
  const json whole = {{"partial_rotary_factor", 1.0}};
  EXPECT_TRUE(ReadRopes(JsonObject(whole), RopeWords(), config).ok());
}

TEST(HuggingFaceRopeTest, SlidingLayersMayHaveFrequenciesOfTheirOwn) {
  ModelConfig config = WithHeads();
  config.num_layers = 2;
  config.layers = {{.window_tokens = 8, .rope = 0}, {}};
  const json object = {{"rope_parameters",
                        {{"full_attention", {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 5e5}}},
                         {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 3e3}}}}}};
  ModelConfig one = config;
  ExpectUnimplemented(ReadRopes(JsonObject(object), RopeWords(), one), "rope_parameters differs between layers");
  config.ropes.resize(2);
  ASSERT_TRUE(ReadLayerRopes(JsonObject(object), config).ok());
  ASSERT_EQ(config.ropes.size(), 2u);
  EXPECT_EQ(config.ropes[0].theta, 5e5);
  EXPECT_EQ(config.ropes[0].scaling.factor, 2.0);
  EXPECT_EQ(config.ropes[1].theta, 3e3);
  EXPECT_EQ(config.layer(0).rope, 1);
  EXPECT_EQ(config.layer(1).rope, 0);
  EXPECT_EQ(config.trained_tokens, 64);
  const auto with = [&](const json& scaling) {
    json changed = object;
    changed["rope_scaling"] = scaling;
    ModelConfig other = config;
    absl::Status status = ReadLayerRopes(JsonObject(changed), other);
    config.ropes.front() = other.ropes.front();
    return status;
  };
  for (const json& scaling : {json::object(), json{{"rope_theta", 4e5}}, json{{"type", "linear"}}}) {
    ASSERT_TRUE(with(scaling).ok()) << scaling;
    EXPECT_EQ(config.ropes[0].scaling.kind, RopeScalingKind::kLinear) << scaling;
    EXPECT_EQ(config.ropes[0].scaling.factor, 2.0) << scaling;
    EXPECT_EQ(config.ropes[0].theta, scaling.value("rope_theta", 5e5)) << scaling;
  }
  ExpectInvalid(with({{"factor", "8"}}), "key rope_scaling over rope_parameters.full_attention.factor is not a finite");
  ExpectUnimplemented(with({{"type", "yarn"}}), "key rope_scaling.type alone is not supported in this architecture");
  const json flat = {{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 3e3}}}};
  ExpectInvalid(ReadLayerRopes(JsonObject(flat), config), "key rope_parameters has no objects full_attention");
}

}  // namespace
}  // namespace perennial
