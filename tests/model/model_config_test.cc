#include "model/model_config.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "tests/model/checkpoint/expect_error.h"

namespace perennial {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A valid configuration, changed.
absl::Status Validate(const std::function<void(ModelConfig&)>& change) {
  ModelConfig config;
  config.vocab_size = 100;
  config.num_layers = 2;
  config.hidden_size = 8;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_size = 4;
  config.rotary_size = 4;
  config.feed_forward_size = 16;
  config.trained_tokens = 128;
  config.end_tokens = {3};
  change(config);
  return ValidateModelConfig(config);
}

TEST(ModelConfigTest, AcceptsASaneConfiguration) {
  EXPECT_TRUE(Validate([](ModelConfig&) {}).ok());
}

TEST(ModelConfigTest, NamesTheFieldThatIsOutOfRange) {
  ExpectInvalid(Validate([](ModelConfig& c) { c.vocab_size = 0; }), "vocab_size is 0; it must be from 1 to 16777216");
  ExpectInvalid(Validate([](ModelConfig& c) { c.num_layers = 1025; }), "num_layers is 1025");
  ExpectInvalid(Validate([](ModelConfig& c) { c.hidden_size = -1; }), "hidden_size is -1");
  ExpectInvalid(Validate([](ModelConfig& c) { c.num_heads = 0; }), "num_heads is 0");
  ExpectInvalid(Validate([](ModelConfig& c) { c.num_kv_heads = 0; }), "num_kv_heads is 0");
  ExpectInvalid(Validate([](ModelConfig& c) { c.num_kv_heads = 3; }), "num_kv_heads 3 does not divide num_heads 4");
  ExpectInvalid(Validate([](ModelConfig& c) { c.rotary_size = 1; }), "rotation needs an even number");
  ExpectInvalid(Validate([](ModelConfig& c) { c.head_size = 2048; }), "head_size is 2048");
  ExpectInvalid(Validate([](ModelConfig& c) { c.feed_forward_size = 1 << 30; }), "feed_forward_size");
  ExpectInvalid(Validate([](ModelConfig& c) { c.trained_tokens = int64_t{1} << 50; }), "trained_tokens");
  ExpectInvalid(Validate([](ModelConfig& c) { c.rotary_size = 6; }), "rotary_size is 6; it must be from 0 to 4");
  ExpectInvalid(Validate([](ModelConfig& c) { c.norm_epsilon = static_cast<float>(kNan); }), "norm_epsilon");
  ExpectInvalid(Validate([](ModelConfig& c) { c.ropes[0].theta = kNan; }), "rope_theta is nan");
}

TEST(ModelConfigTest, AModelWithASinkTokenNeedsOneSink) {
  ModelConfig config;
  EXPECT_EQ(DefaultSinkTokens(config), 4);
  config.sink_token = 0;
  EXPECT_EQ(DefaultSinkTokens(config), 1);
}

TEST(ModelConfigTest, ChecksTokensAgainstTheVocabulary) {
  ExpectInvalid(Validate([](ModelConfig& c) { c.bos_token = 100; }), "bos_token is 100; it must be from 0 to 99");
  ExpectInvalid(Validate([](ModelConfig& c) { c.sink_token = 100; }), "sink_token is 100; it must be from 0 to 99");
  ExpectInvalid(Validate([](ModelConfig& c) { c.end_tokens = {}; }), "end_tokens has 0 elements");
  ExpectInvalid(Validate([](ModelConfig& c) { c.end_tokens = {3, -1}; }), "end_tokens is -1");
}

TEST(ModelConfigTest, ChecksScalingByItsKind) {
  const auto with = [](RopeScalingKind kind, const std::function<void(RopeScaling&)>& change) {
    return Validate([&](ModelConfig& c) {
      RopeScaling& scaling = c.ropes[0].scaling;
      scaling.kind = kind;
      scaling.factor = 2.0;
      scaling.original_length = 64;
      scaling.short_factors = scaling.long_factors = {1.0f, 2.0f};
      change(scaling);
    });
  };
  for (const RopeScalingKind kind : {RopeScalingKind::kNone, RopeScalingKind::kLinear, RopeScalingKind::kLlama3,
                                     RopeScalingKind::kYarn, RopeScalingKind::kLongRope}) {
    EXPECT_TRUE(with(kind, [](RopeScaling&) {}).ok());
    const absl::Status factor = with(kind, [](RopeScaling& s) { s.factor = kNan; });
    EXPECT_EQ(factor.ok(), kind == RopeScalingKind::kNone) << factor;
  }
  ExpectInvalid(with(RopeScalingKind::kLinear, [](RopeScaling& s) { s.factor = 0.5; }), "rope_scaling.factor is 0.5");
  ExpectInvalid(with(RopeScalingKind::kLlama3, [](RopeScaling& s) { s.original_length = 0; }), "original_length is 0");
  ExpectInvalid(with(RopeScalingKind::kLlama3, [](RopeScaling& s) { s.high_freq_factor = 1.0; }), "high_freq_factor 1");
  ExpectInvalid(with(RopeScalingKind::kYarn, [](RopeScaling& s) { s.beta_slow = 32.0; }), "beta_fast 32");
  const auto flat = [](RopeScalingKind kind) {
    return Validate([kind](ModelConfig& config) {
      config.ropes.front().theta = 1.0;
      RopeScaling& scaling = config.ropes.front().scaling;
      scaling.kind = kind;
      scaling.factor = 2.0;
      scaling.original_length = 1024;
    });
  };
  EXPECT_TRUE(flat(RopeScalingKind::kLinear).ok());
  ExpectInvalid(flat(RopeScalingKind::kYarn), "rope_theta");
  ExpectInvalid(with(RopeScalingKind::kYarn, [](RopeScaling& s) { s.attention_factor = kNan; }), "attention_factor");
  ExpectInvalid(with(RopeScalingKind::kLongRope, [](RopeScaling& s) { s.long_factors.pop_back(); }),
                "long_factor has 1 elements; rotary_size 4 needs 2");
  ExpectInvalid(with(RopeScalingKind::kLongRope, [](RopeScaling& s) { s.short_factors[1] = 0; }), "short_factor is 0");
}

TEST(ModelConfigTest, ChecksFrequencyDivisors) {
  EXPECT_TRUE(Validate([](ModelConfig& c) { c.ropes[0].frequency_divisors = {1.0f, 1.0f}; }).ok());
  ExpectInvalid(Validate([](ModelConfig& c) { c.ropes[0].frequency_divisors = {1.0f}; }), "rotary_size 4 needs 2");
  ExpectInvalid(Validate([](ModelConfig& c) {
                  c.ropes[0].frequency_divisors = {1.0f, 0.0f};
                }),
                "rope_frequency_divisors is 0");
}

TEST(ModelConfigTest, ChecksPositionsOfLayers) {
  EXPECT_TRUE(Validate([](ModelConfig& c) { c.layers = {{.window_tokens = 8, .rope = 0}, {}}; }).ok());
  ExpectInvalid(Validate([](ModelConfig& c) { c.layers.resize(1); }), "layers is 1; it must be from 2 to 2");
  ExpectInvalid(Validate([](ModelConfig& c) {
                  c.layers = {{.window_tokens = -1, .rope = 0}, {}};
                }),
                "layer_window_tokens is -1");
  ExpectInvalid(Validate([](ModelConfig& c) { c.layers = {{.window_tokens = 0, .rope = 1}, {}}; }), "layer_rope is 1");
  ExpectInvalid(Validate([](ModelConfig& c) { c.ropes.clear(); }), "ropes is 0; it must be from 1");
}

TEST(ModelConfigTest, ChecksAlibiAndNumbers) {
  EXPECT_TRUE(Validate([](ModelConfig& c) {
                c.rotary_size = 0;
                c.ropes.clear();
                c.alibi_slopes = {0.5f, 0.25f, 0.125f, 0.0625f};
              }).ok());
  ExpectInvalid(Validate([](ModelConfig& c) { c.alibi_slopes = {0.5f}; }), "alibi_slopes is 1; it must be from 4 to 4");
  ExpectInvalid(Validate([](ModelConfig& c) { c.alibi_slopes = {1, 1, 1, -1}; }), "alibi_slopes is -1");
  ExpectInvalid(Validate([](ModelConfig& c) { c.attention_scale = 0.0; }), "attention_scale is 0");
  ExpectInvalid(Validate([](ModelConfig& c) { c.embedding_scale = kNan; }), "embedding_scale is nan");
  ExpectInvalid(Validate([](ModelConfig& c) { c.qkv_clip = -1; }), "qkv_clip is -1");
  ExpectInvalid(Validate([](ModelConfig& c) { c.attention_softcap = kNan; }), "attention_softcap is nan");
  ExpectInvalid(Validate([](ModelConfig& c) { c.output_softcap = -2; }), "output_softcap is -2");
}

TEST(ModelConfigTest, RefusesPartsThatDoNotGoTogether) {
  ExpectInvalid(Validate([](ModelConfig& c) { c.norm_bias = true; }), "norm_bias");
  ExpectInvalid(Validate([](ModelConfig& c) { c.gated = false, c.fused_gate_up = true; }), "fused_gate_up");
  ExpectInvalid(Validate([](ModelConfig& c) { c.head_norms = true, c.rope_layout = RopeLayout::kInterleaved; }),
                "head_norms");
}

}  // namespace
}  // namespace perennial
